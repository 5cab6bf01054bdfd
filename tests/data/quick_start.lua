-- The examples of the quick start guide's section "Lua Plugin Usage", as printed, in their order.
local WebSocketClient = require 'WebSocketClient'

local jobId = "job_12345"
local photoId = 456
local photoInfo = {
    file_name = "IMG_001.CR3",
    file_path = "/path/to/IMG_001.CR3"
}

WebSocketClient.sendJobStart(jobId, photoId, photoInfo)
-- Send progress update
WebSocketClient.sendJobProgress(
    jobId,
    'exif_analysis',  -- stage
    25,               -- progress (0-100)
    'Analyzing EXIF data...',  -- message
    {camera = 'Canon EOS R5'}  -- details
)
-- Mark stage as completed
WebSocketClient.sendStageComplete(
    jobId,
    'exif_analysis',
    {iso = 800, aperture = 2.8}  -- result
)
-- Send detailed photo data
local photoData = {
    exif = {
        camera_make = 'Canon',
        camera_model = 'EOS R5',
        iso = 800
    },
    ai_score = 4.2
}

WebSocketClient.sendPhotoInfo(jobId, photoId, photoData)
-- Report an error
WebSocketClient.sendError(
    jobId,
    'processing_error',
    'Failed to apply settings',
    {detail = 'Invalid parameter value'},
    'applying_preset'  -- stage
)
-- Complete job successfully
WebSocketClient.sendJobComplete(
    jobId,
    true,  -- success
    {preset_applied = 'WhiteLayer_v4'},  -- result
    15.5   -- duration in seconds
)

-- Or complete with failure
WebSocketClient.sendJobComplete(
    jobId,
    false,  -- success
    {error = 'File not found'},
    5.2
)

-- Reports photo jobs to a Phaseline server, from Lightroom's SDK (Lua 5.1, no sockets) or from plain Lua with LuaSocket.
--
--     local WebSocketClient = require 'WebSocketClient'
--     WebSocketClient.sendJobStart('job_12345', 456, { file_name = 'IMG_001.CR3' })
--     WebSocketClient.sendJobProgress('job_12345', 'exif_analysis', 25, 'Analyzing EXIF data...')
--     WebSocketClient.sendJobComplete('job_12345', true, { preset_applied = 'WhiteLayer_v4' }, 15.5)
--
-- No call raises, or blocks the job for more than half a second; only `flush(seconds)` waits as long as you ask.
-- Undelivered messages wait in a bounded queue, in order, and are sent with a later call (in Lightroom: by a background
-- task). After a restart of the server the client registers itself and its active jobs again. Each message has a
-- number, so a lost answer does not cause a duplicate report. Of several servers that share a log, it uses the next one
-- when one fails.
--
-- It requires json.lua in the same folder, and a server with POST /ws/handshake and /ws/send.

local json = require 'json'

local WebSocketClient = {}

local PROTOCOL_VERSION = '1.0'
local MOST_WAITING = 1000
local TIMEOUT_SECONDS = 2 -- of one request
local CALL_SECONDS = 0.4 -- of all requests of one call
local PAUSE_SECONDS = { first = 1, most = 30 }
local ENDS = { job_completed = true, job_failed = true }
local AWAY = { LOG_UNAVAILABLE = true, DEPOSED = true } -- codes with which another server may accept the message
local KEPT = { job_started = true, job_completed = true, job_failed = true }

-- ------------------------------------------------------------------------- where it runs: Lightroom or plain Lua

-- Each offers: post(url, body, token or nil, seconds) -> status or nil, answer or reason; now() -> seconds; log(text);
-- sleep(seconds); background(task) or nil; unique() -> a text that no other process has, or nil.
local function lightroom()
    local LrHttp, LrTasks, LrDate, LrLogger = import 'LrHttp', import 'LrTasks', import 'LrDate', import 'LrLogger'
    local logger = LrLogger('Phaseline')
    logger:enable('logfile')
    return {
        post = function(url, body, token, seconds)
            local headers = { { field = 'Content-Type', value = 'application/json' } }
            if token then headers[2] = { field = 'Authorization', value = 'Bearer ' .. token } end
            local answer, about = LrHttp.post(url, body, headers, 'POST', seconds)
            if not answer then
                local failure = about and about.error
                return nil, failure and (failure.name or failure.errorCode) or 'no answer'
            end
            return about and about.status or 200, answer
        end,
        now = function() return LrDate.currentTime() end,
        log = function(text) logger:warn(text) end,
        background = function(task) LrTasks.startAsyncTask(task) end,
        sleep = function(seconds) LrTasks.sleep(seconds) end,
        unique = function() return import('LrUUID').generateUUID() end,
    }
end

-- Paths of the trusted certificates; without one, LuaSec does not verify certificates.
local CERTIFICATES = {
    os and os.getenv and os.getenv('SSL_CERT_FILE') or '',
    '/etc/ssl/certs/ca-certificates.crt', '/etc/pki/tls/certs/ca-bundle.crt', '/etc/ssl/cert.pem',
}

local function trusted()
    for _, path in ipairs(CERTIFICATES) do
        local file = path ~= '' and io.open(path)
        if file then
            file:close()
            return path
        end
    end
end

-- Return whether a certificate is valid for `host`, by its alternative names (RFC 6125); LuaSec only checks the issuer.
local function isOf(certificate, host)
    local names = certificate:extensions()['2.5.29.17'] or {}
    for _, address in ipairs(names.iPAddress or {}) do
        if address == host then return true end
    end
    for _, name in ipairs(names.dNSName or {}) do
        name = name:lower()
        -- A star matches exactly the first label.
        if name == host or name:sub(1, 2) == '*.' and name:sub(2) == host:match('^[^.]+(%..+)$') then return true end
    end
    return false
end

-- Open a TLS connection for LuaSocket, and verify that the certificate is valid for the host.
local function secured(certificates, seconds)
    local https = require 'ssl.https' -- LuaSec
    https.TIMEOUT = seconds / 2 -- once for the connection, once for the handshake
    local create = https.tcp { verify = 'peer', cafile = certificates }
    return function()
        local connection = create()
        local connect = connection.connect
        function connection:connect(host, port)
            connect(self, host, port)
            if isOf(self.sock:getpeercertificate(), host:lower()) then return 1 end
            self.sock:close()
            return nil, 'the certificate is not valid for ' .. host .. '; use a host name of the certificate'
        end
        return connection
    end
end

-- Open a LuaSocket connection whose operations all end by `deadline`; LuaSocket's own time-out restarts for each.
local function bounded(create, deadline, now)
    return function()
        local connection, problem = create()
        if not connection then return nil, problem end
        return setmetatable({}, { __index = function(_, name)
            return function(_, ...)
                if name == 'settimeout' then return 1 end
                local left = deadline - now()
                if name ~= 'close' then
                    if left <= 0 then return nil, 'timeout' end
                    connection:settimeout(left, 't')
                end
                return connection[name](connection, ...)
            end
        end })
    end
end

local function plain()
    local http, ltn12, socket = require 'socket.http', require 'ltn12', require 'socket'
    return {
        post = function(url, body, token, seconds)
            local parts, create = {}, socket.tcp
            if url:match('^https') then
                local certificates = trusted()
                if not certificates then return nil, 'no CA certificates found; set SSL_CERT_FILE to a PEM file' end
                create = secured(certificates, seconds)
                local authority = url:match('^https://[^/]*')
                if not authority:match(':%d+$') then url = authority .. ':443' .. url:sub(#authority + 1) end
            end
            local fine, status = http.request {
                url = url,
                method = 'POST',
                headers = {
                    ['Content-Type'] = 'application/json', ['Content-Length'] = tostring(#body),
                    ['Authorization'] = token and 'Bearer ' .. token or nil,
                },
                source = ltn12.source.string(body),
                sink = ltn12.sink.table(parts),
                create = bounded(create, socket.gettime() + seconds, socket.gettime),
            }
            if not fine then return nil, tostring(status) end
            return status, table.concat(parts)
        end,
        now = socket.gettime,
        log = function(text) io.stderr:write('WebSocketClient: ', text, '\n') end,
        sleep = socket.sleep,
        unique = function()
            local file = io.open('/dev/urandom', 'rb')
            if not file then return nil end
            file:setvbuf('no') -- reads no more than it needs
            local bytes = file:read(16)
            file:close()
            return (bytes:gsub('.', function(byte) return string.format('%02x', byte:byte()) end))
        end,
    }
end

local host -- one of the platforms above; chosen at the first use, so that requiring this file is cheap

local function here()
    if not host then host = import and lightroom() or plain() end
    return host
end

-- ----------------------------------------------------------------------------------------------------- the queue

local servers = {} -- the addresses of servers that share a log; the first one is used
local failed = 0 -- attempts since the last success
local token = os and os.getenv and os.getenv('PROGRESS_TOKEN')
if token == '' then token = nil end
local clientId
local producer
local number = 0
local waiting = {} -- messages, oldest first
local active = {} -- job_id -> its job_started, to send again to a server that does not know the job
local pause, notBefore = PAUSE_SECONDS.first, 0
local sending = false
local deadline = math.huge -- of the requests of the present call
local complained -- the reason that was logged last, since the last success

local function useServers(urls)
    servers, failed = {}, 0
    for url in urls:gmatch('[^,%s]+') do
        servers[#servers + 1] = url:gsub('^ws', 'http'):gsub('/ws/?$', ''):gsub('/$', '')
    end
end

local given = os and os.getenv and os.getenv('PROGRESS_URL') or ''
useServers(given:match('[^,%s]') and given or 'http://127.0.0.1:5100')

-- Use the next server from now on.
local function turn()
    if #servers > 1 then
        local first = table.remove(servers, 1)
        servers[#servers + 1] = first
        clientId = nil
    end
end

local function complain(reason)
    if complained ~= reason then -- log it once, until the next success
        local urls = table.concat(servers, ',')
        here().log(string.format('no connection to %s (%s); %d messages are queued', urls, reason, #waiting))
    end
    complained = reason
end

local function drop()
    for index = 1, #waiting do
        if not KEPT[waiting[index].type] then
            table.remove(waiting, index)
            return
        end
    end
end

-- Return a name that is unique even among workers that start at the same time. math.random is not used: a script may
-- have seeded it for repeatable numbers.
local function newName()
    local found, unique = pcall(here().unique)
    local address = tostring({}):match('0x(%x+)') or tostring({})
    local clock = os and os.clock and os.clock() or 0
    local parts = { string.format('%.0f', here().now() * 1e6), string.format('%.0f', clock * 1e6), address }
    if found and unique then parts = { unique } end
    return ('lua-' .. table.concat(parts, '-')):gsub('[^%w-]', ''):sub(1, 80)
end

-- Return an id or a name as text; a script may pass a number.
local function text(value)
    if value == nil or type(value) == 'string' then return value end
    if type(value) == 'number' and value == math.floor(value) then return string.format('%.0f', value) end
    return tostring(value)
end

local function enqueue(message)
    producer = producer or newName()
    number = number + 1
    message.producer, message.producer_seq = producer, number
    local last = waiting[#waiting]
    -- Of the queued progress of one phase only the latest is sent.
    if not sending and last and message.type == 'job_progress' and last.type == message.type
        and last.job_id == message.job_id and last.stage == message.stage then
        waiting[#waiting] = message
    else
        waiting[#waiting + 1] = message
    end
    if #waiting > MOST_WAITING then drop() end
end

-- ------------------------------------------------------------------------------------------------------- sending

-- Return the decoded answer and the status; or nil and a reason if there is no valid answer.
local function post(path, body)
    local seconds = math.min(TIMEOUT_SECONDS, deadline - here().now())
    if seconds <= 0 then return nil, 'time-out' end
    local status, document = here().post(servers[1] .. path, json.encode(body), token, seconds)
    if not status then return nil, document end
    local answer = json.decode(document)
    if type(answer) ~= 'table' then return nil, 'status ' .. tostring(status) .. ' with no JSON' end
    return answer, status
end

local function handshake()
    local answer, status = post('/ws/handshake', { client_type = 'lightroom', protocol_version = PROTOCOL_VERSION })
    if not answer then return nil, status, true end
    if not answer.success then return nil, tostring(answer.error), AWAY[answer.code] end
    clientId = answer.client_id
    return true
end

-- Return true if the message is accepted or permanently rejected; or nil, the reason to retry it, and whether another
-- server may accept it.
local function deliver(message, attempt)
    if not clientId then
        local fine, reason, away = handshake()
        if not fine then return nil, reason, away end
    end
    local answer, status = post('/ws/send', { client_id = clientId, message = message })
    if not answer then return nil, status, true end
    if answer.success then return true end
    if attempt < 3 and answer.code == 'UNKNOWN_CLIENT' then
        clientId = nil
        return deliver(message, attempt + 1)
    end
    local started = active[message.job_id]
    if attempt < 3 and answer.code == 'UNKNOWN_JOB' and started and message.type ~= 'job_started' then
        -- The server has restarted without its data: start the job again, then continue.
        local again = {}
        for key, value in pairs(started) do again[key] = value end
        again.producer, again.producer_seq = nil, nil
        local fine, reason, away = deliver(again, attempt + 1)
        if not fine then return nil, reason, away end
        return deliver(message, attempt + 1)
    end
    if type(status) == 'number' and (status == 401 or status == 429 or status >= 500) then
        return nil, tostring(answer.error), AWAY[answer.code]
    end
    here().log('rejected: ' .. tostring(answer.error))
    return true
end

-- Send the queued messages until none is left, the connection fails, or the time is over. Return whether the queue is
-- empty. Without `seconds` there is no limit.
local function drain(seconds)
    local began = here().now()
    if sending or began < notBefore then return #waiting == 0 end
    sending = true
    deadline = began + (seconds or math.huge)
    -- Start no message in the second half of the time, so that each can still be answered.
    while waiting[1] and here().now() < began + (seconds or math.huge) / 2 do
        local message = waiting[1]
        local ran, fine, reason, away = pcall(deliver, message, 1)
        if not ran then fine, reason, away = nil, fine, false end
        if fine then
            failed, pause, notBefore, complained = 0, PAUSE_SECONDS.first, 0, nil
            table.remove(waiting, 1)
            if ENDS[message.type] then active[message.job_id] = nil end
        else
            failed = failed + 1
            if away then turn() end
            if not away or failed % #servers == 0 then -- no server is left that may accept it
                complain(tostring(reason))
                notBefore = here().now() + pause
                pause = math.min(2 * pause, PAUSE_SECONDS.most)
                break
            end
        end
    end
    sending, deadline = false, math.huge
    return #waiting == 0
end

local draining = false

local function drainInBackground()
    if draining then return end
    draining = true
    here().background(function()
        while waiting[1] do
            if not drain() then here().sleep(math.max(0.1, notBefore - here().now())) end
        end
        draining = false
    end)
end

local function send(message)
    local fine, problem = pcall(function()
        for _, field in ipairs { 'job_id', 'stage', 'message', 'error_type', 'error_message' } do
            message[field] = text(message[field])
        end
        if message.type == 'job_started' then active[message.job_id] = message end
        enqueue(message)
        if here().background then drainInBackground() else drain(CALL_SECONDS) end
    end)
    if not fine then pcall(function() here().log('not reported: ' .. tostring(problem)) end) end
    return fine
end

-- ------------------------------------------------------------------------------------------------- public functions

-- Set the address of the server, or several of servers that share a log, separated by commas:
--     WebSocketClient.configure { url = 'http://render-box:5100' }
-- If the server has tokens, also set one with the scope report: { token = 'phl_…' }.
-- [PROGRESS_URL, else http://127.0.0.1:5100; PROGRESS_TOKEN]
function WebSocketClient.configure(options)
    if options.url then useServers(options.url) end
    token = options.token or token
    clientId, notBefore = nil, 0
end

-- Report the start of a job. photoInfo: a table with the photo's metadata (file_name, file_path, ...).
function WebSocketClient.sendJobStart(jobId, photoId, photoInfo)
    return send { type = 'job_started', job_id = jobId, photo_id = photoId, photo_info = photoInfo or {} }
end

-- Report a stage's progress. progress: 0 to 100.
function WebSocketClient.sendJobProgress(jobId, stage, progress, message, details)
    return send {
        type = 'job_progress', job_id = jobId, stage = stage, progress = progress,
        message = message or '', details = details or {},
    }
end

-- Report that a stage is completed.
function WebSocketClient.sendStageComplete(jobId, stage, result)
    return send { type = 'stage_completed', job_id = jobId, stage = stage, result = result or {} }
end

-- Report metadata of the photo.
function WebSocketClient.sendPhotoInfo(jobId, photoId, photoData)
    return send { type = 'photo_info', job_id = jobId, photo_id = photoId, photo_data = photoData or {} }
end

-- Report an error; the job may continue.
function WebSocketClient.sendError(jobId, errorType, errorMessage, errorDetails, stage)
    return send {
        type = 'error_occurred', job_id = jobId, error_type = errorType, error_message = errorMessage,
        error_details = errorDetails or {}, stage = stage,
    }
end

-- Report the end of a job. duration: seconds.
function WebSocketClient.sendJobComplete(jobId, success, result, duration)
    return send {
        type = success and 'job_completed' or 'job_failed', job_id = jobId, success = success and true or false,
        result = result or {}, duration = duration,
    }
end

-- Send the queued messages, for at most the given number of seconds [0.4]. Return whether the queue is empty.
function WebSocketClient.flush(seconds)
    local limit = here().now() + (seconds or CALL_SECONDS)
    notBefore = 0
    while not drain(math.max(0, limit - here().now())) and here().now() < limit do
        here().sleep(math.min(0.2, math.max(0, limit - here().now())))
        notBefore = math.min(notBefore, here().now() + 0.2)
    end
    return #waiting == 0
end

-- Return the number of queued messages.
function WebSocketClient.waiting()
    return #waiting
end

return WebSocketClient

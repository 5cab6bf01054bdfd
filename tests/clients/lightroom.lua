-- A small stand-in for the parts of Lightroom's SDK that WebSocketClient.lua uses. Its HTTP is real (LuaSocket), its
-- tasks are coroutines, which run when the script calls `runTasks`, as Lightroom's do when its main task yields.

local http, ltn12, socket = require 'socket.http', require 'ltn12', require 'socket'

local tasks = {}
local modules = {}

modules.LrHttp = {
    post = function(url, body, headers, method, timeout)
        local parts, sent = {}, { ['Content-Length'] = tostring(#body) }
        for _, header in ipairs(headers or {}) do sent[header.field] = header.value end
        http.TIMEOUT = timeout or 60
        local fine, status = http.request {
            url = url, method = method or 'POST', headers = sent,
            source = ltn12.source.string(body), sink = ltn12.sink.table(parts),
        }
        if not fine then return nil, { error = { errorCode = 'cannotConnectToHost', name = tostring(status) } } end
        return table.concat(parts), { status = status }
    end,
}

modules.LrTasks = {
    startAsyncTask = function(task) tasks[#tasks + 1] = { coroutine = coroutine.create(task), due = 0 } end,
    sleep = function(seconds) coroutine.yield(seconds) end,
}

modules.LrDate = { currentTime = function() return socket.gettime() - 978307200 end } -- seconds since 2001

modules.LrLogger = function(name)
    local logger = {}
    function logger:enable() end
    function logger:warn(text) io.stderr:write(name, ': ', text, '\n') end
    return logger
end

function import(name)
    return assert(modules[name], 'Lightroom has no ' .. name)
end

function runTasks()
    while #tasks > 0 do
        local task = table.remove(tasks, 1)
        if task.due > socket.gettime() then
            socket.sleep(0.01)
            tasks[#tasks + 1] = task
        else
            local fine, pause = coroutine.resume(task.coroutine)
            assert(fine, pause)
            if coroutine.status(task.coroutine) ~= 'dead' then
                task.due = socket.gettime() + (pause or 0)
                tasks[#tasks + 1] = task
            end
        end
    end
end

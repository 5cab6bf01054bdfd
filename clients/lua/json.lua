-- JSON for Lua 5.1 and later: encodes any table, decodes any document.
-- RFC 8259. It has no dependencies and no globals.

local json = {}

-- The value of JSON's null in a decoded array or object, as Lua's nil can't be an element.
json.null = setmetatable({}, { __tostring = function() return 'null' end })

local ESCAPES = {
    ['"'] = '\\"', ['\\'] = '\\\\', ['\b'] = '\\b', ['\f'] = '\\f', ['\n'] = '\\n', ['\r'] = '\\r', ['\t'] = '\\t',
}

-- ---------------------------------------------------------------------------------------- encoding

local REPLACEMENT = '\239\191\189' -- U+FFFD
-- The range of a sequence's second byte where it is not 0x80 to 0xBF (RFC 3629, section 4).
local SECOND = { [0xE0] = { 0xA0, 0xBF }, [0xED] = { 0x80, 0x9F }, [0xF0] = { 0x90, 0xBF }, [0xF4] = { 0x80, 0x8F } }

-- Return the length of the UTF-8 sequence at a byte above 127, or nil if there is none.
local function sequenceLength(bytes, at)
    local first, second = bytes:byte(at, at + 1)
    local length = first >= 0xC2 and first <= 0xDF and 2 or first >= 0xE0 and first <= 0xEF and 3
        or first >= 0xF0 and first <= 0xF4 and 4
    local range = SECOND[first] or { 0x80, 0xBF }
    if not length or not second or second < range[1] or second > range[2] then return nil end
    for index = at + 2, at + length - 1 do
        local byte = bytes:byte(index)
        if not byte or byte < 0x80 or byte > 0xBF then return nil end
    end
    return length
end

-- Replace bytes that are not UTF-8, such as Latin-1, because no receiver accepts them.
local function valid(bytes)
    local parts, at = {}, 1
    while at <= #bytes do
        local length = sequenceLength(bytes, at)
        parts[#parts + 1] = length and bytes:sub(at, at + length - 1) or REPLACEMENT
        at = at + (length or 1)
    end
    return table.concat(parts)
end

local function encodeString(text)
    return '"' .. text:gsub('[\128-\255]+', valid):gsub('[%z\1-\31"\\\127]', function(character)
        return ESCAPES[character] or string.format('\\u%04x', character:byte())
    end) .. '"'
end

local function encodeNumber(number)
    if number ~= number or number == math.huge or number == -math.huge then
        return 'null' -- JSON can't represent NaN and infinity
    end
    if number == math.floor(number) and math.abs(number) < 2 ^ 53 then
        return string.format('%.0f', number)
    end
    -- In some locales the decimal separator is a comma, which JSON does not allow.
    return (string.format('%.17g', number):gsub(',', '.'))
end

-- A table is an array if its keys are exactly 1 to n. An empty one is an object, as most tables of a reporter are.
local function arrayLength(value)
    local count = 0
    for key in pairs(value) do
        if type(key) ~= 'number' then return nil end
        count = count + 1
    end
    if count == 0 or count ~= #value then return nil end
    return count
end

local encodeValue

local function encodeTable(value, seen)
    if seen[value] then error('a table that contains itself is not possible in JSON; remove the cycle', 0) end
    seen[value] = true
    local parts, length = {}, arrayLength(value)
    if length then
        for index = 1, length do parts[index] = encodeValue(value[index], seen) end
    else
        for key, item in pairs(value) do
            parts[#parts + 1] = encodeString(tostring(key)) .. ':' .. encodeValue(item, seen)
        end
        table.sort(parts) -- so that equal tables give equal texts
    end
    seen[value] = nil
    if length then return '[' .. table.concat(parts, ',') .. ']' end
    return '{' .. table.concat(parts, ',') .. '}'
end

function encodeValue(value, seen)
    local kind = type(value)
    if value == nil or value == json.null then return 'null' end
    if kind == 'string' then return encodeString(value) end
    if kind == 'number' then return encodeNumber(value) end
    if kind == 'boolean' then return tostring(value) end
    if kind == 'table' then return encodeTable(value, seen) end
    return encodeString(tostring(value)) -- functions and user data become text, because an error would stop the job
end

function json.encode(value)
    return encodeValue(value, {})
end

-- ---------------------------------------------------------------------------------------- decoding

local UNESCAPES = { b = '\b', f = '\f', n = '\n', r = '\r', t = '\t', ['"'] = '"', ['\\'] = '\\', ['/'] = '/' }
local LITERALS = { { 'true', true }, { 'false', false }, { 'null', json.null } }
local MOST_NESTED = 100

local function fail(text, at, wanted)
    error(string.format('invalid JSON at byte %d: expected %s, got %q', at, wanted, text:sub(at, at + 10)), 0)
end

local function utf8(code)
    if code < 0x80 then return string.char(code) end
    if code < 0x800 then return string.char(0xC0 + math.floor(code / 0x40), 0x80 + code % 0x40) end
    if code < 0x10000 then
        return string.char(0xE0 + math.floor(code / 0x1000), 0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
    end
    return string.char(0xF0 + math.floor(code / 0x40000), 0x80 + math.floor(code / 0x1000) % 0x40,
        0x80 + math.floor(code / 0x40) % 0x40, 0x80 + code % 0x40)
end

local function skipSpace(text, at)
    return text:find('[^ \t\r\n]', at) or #text + 1
end

local function decodeEscape(text, at)
    local letter = text:sub(at, at)
    if UNESCAPES[letter] then return UNESCAPES[letter], at + 1 end
    local hex = letter == 'u' and text:match('^%x%x%x%x', at + 1)
    if not hex then fail(text, at, 'an escape') end
    local code = tonumber(hex, 16)
    local low = code >= 0xD800 and code < 0xDC00 and text:match('^\\u([dD][c-fC-F]%x%x)', at + 5)
    if low then
        return utf8(0x10000 + (code - 0xD800) * 0x400 + tonumber(low, 16) - 0xDC00), at + 11
    end
    return utf8(code), at + 5
end

local function decodeString(text, at)
    local parts = {}
    while true do
        local stop = text:find('["\\%c]', at)
        if not stop then fail(text, #text + 1, 'the end of a string') end
        parts[#parts + 1] = text:sub(at, stop - 1)
        local mark = text:sub(stop, stop)
        if mark == '"' then return table.concat(parts), stop + 1 end
        if mark ~= '\\' then fail(text, stop, 'an escape in place of a control character') end
        parts[#parts + 1], at = decodeEscape(text, stop + 1)
    end
end

local decodeValue

local function decodeObject(text, at, depth)
    local result = {}
    at = skipSpace(text, at)
    if text:sub(at, at) == '}' then return result, at + 1 end
    while true do
        if text:sub(at, at) ~= '"' then fail(text, at, 'a key') end
        local key
        key, at = decodeString(text, at + 1)
        at = skipSpace(text, at)
        if text:sub(at, at) ~= ':' then fail(text, at, 'a colon') end
        result[key], at = decodeValue(text, skipSpace(text, at + 1), depth)
        at = skipSpace(text, at)
        local mark = text:sub(at, at)
        if mark == '}' then return result, at + 1 end
        if mark ~= ',' then fail(text, at, 'a comma or }') end
        at = skipSpace(text, at + 1)
    end
end

local function decodeArray(text, at, depth)
    local result = {}
    at = skipSpace(text, at)
    if text:sub(at, at) == ']' then return result, at + 1 end
    while true do
        result[#result + 1], at = decodeValue(text, at, depth)
        at = skipSpace(text, at)
        local mark = text:sub(at, at)
        if mark == ']' then return result, at + 1 end
        if mark ~= ',' then fail(text, at, 'a comma or ]') end
        at = skipSpace(text, at + 1)
    end
end

function decodeValue(text, at, depth)
    if depth > MOST_NESTED then fail(text, at, 'less nesting') end
    local first = text:sub(at, at)
    if first == '{' then return decodeObject(text, at + 1, depth + 1) end
    if first == '[' then return decodeArray(text, at + 1, depth + 1) end
    if first == '"' then return decodeString(text, at + 1) end
    for _, literal in ipairs(LITERALS) do
        if text:sub(at, at + #literal[1] - 1) == literal[1] then return literal[2], at + #literal[1] end
    end
    local number = text:match('^-?%d+%.?%d*[eE]?[+-]?%d*', at)
    local value = number and tonumber(number)
    if not value then fail(text, at, 'a value') end
    return value, at + #number
end

-- Return the decoded value; or nil and the error.
function json.decode(text)
    local fine, value, at = pcall(decodeValue, text, skipSpace(text, 1), 0)
    if not fine then return nil, value end
    if skipSpace(text, at) <= #text then return nil, 'invalid JSON: there is data after the document' end
    return value
end

return json

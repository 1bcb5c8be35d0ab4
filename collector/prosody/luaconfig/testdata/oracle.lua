-- Reads a configuration with Prosody's own core/configmanager.lua (0.12, as
-- Debian installs it) and writes what it says, for comparison. Arguments: the
-- folder of Prosody's programs, the edition ("12", or "13", which adds here what
-- the configmanager of 13 can do beside), the configurations.

local source, edition = arg[1], arg[2]
package.path = source .. "/?.lua;" .. package.path
package.cpath = source .. "/?.so;" .. package.cpath

_G.prosody = { process_type = "prosody", config_loaded = true, platform = "posix", paths = {}, lock_globals = function() end, unlock_globals = function() end }
package.preload["luarocks.loader"] = function() return true end

-- A module that some images of Prosody install.
package.preload.stringy = function()
	local stringy = {}
	function stringy.split(text, separator)
		local parts, from = {}, 1
		while true do
			local at, to = text:find(separator, from, true)
			parts[#parts + 1] = text:sub(from, (at or 0) - 1)
			if not at then return parts end
			from = to + 1
		end
	end
	function stringy.strip(text) return (text:match("^%s*(.-)%s*$")) end
	function stringy.startswith(text, start) return text:sub(1, #start) == start end
	function stringy.endswith(text, ending) return ending == "" or text:sub(-#ending) == ending end
	return stringy
end

local proxies = {}

local function upvalue(f, wanted)
	for i = 1, 255 do
		local name, value = debug.getupvalue(f, i)
		if name == wanted then return value end
		if not name then return nil end
	end
end

-- What the environment of a file has in 13 and not in 0.12.
local function extend(env, name)
	local meta = getmetatable(env)
	local config = upvalue(meta.__newindex, "config_table")
	local folder = name:match("^@(.*/)[^/]*$") or ""
	local resolve = require "util.paths".resolve_relative_path
	local function options(host)
		if not rawget(config, host) then rawset(config, host, {}) end
		return rawget(config, host)
	end
	local function reader(base, standard)
		return function(file, mode)
			local f = assert(io.open(resolve(base, file)))
			local content = f:read(mode or standard)
			f:close()
			return assert(content, "nothing in the file")
		end
	end
	rawset(env, "FileContents", reader(folder, "a"))
	rawset(env, "FileLine", reader(folder, "l"))
	rawset(env, "FileLines", function(file)
		local lines = {}
		for line in io.lines(resolve(folder, file)) do lines[#lines + 1] = line end
		return lines
	end)
	if os.getenv("CREDENTIALS_DIRECTORY") then
		rawset(env, "Credential", reader(os.getenv("CREDENTIALS_DIRECTORY"), "a"))
	end
	local function proxy(host, option)
		local function value() return rawget(options(host), option) end
		local p = { host = host, option_name = option }
		local operations = {}
		function operations.value() return value() end
		function operations.values()
			local key
			return function()
				local v
				key, v = next(value(), key)
				return v
			end
		end
		function operations.append(self, given)
			assert(type(given) == "table", "a list is expected")
			local list = value() or {}
			if given[1] == nil then
				for k, v in pairs(given) do list[k] = v end
			end
			for _, item in ipairs(given) do table.insert(list, item) end
			options(host)[option] = list
			return self
		end
		proxies[p] = true
		return setmetatable(p, {
			__index = function(_, k) return operations[k] or error("unknown operation") end,
			__call = function(self, given)
				if type(given) ~= "table" then error("missing '='") end
				return operations.append(self, given)
			end,
		})
	end
	function meta.__index(_, k)
		if k:match("^ENV_") then return os.getenv(k:sub(5)) end
		if k == "Lua" then return _G end
		local host = rawget(env, "__currenthost") or "*"
		local value = rawget(options(host), k)
		if type(value) == "table" then return proxy(host, k) end
		if value ~= nil then return value end
		return rawget(_G, k)
	end
end

local envload = require "util.envload"
local real = envload.envload
function envload.envload(code, name, env)
	if edition == "13" then extend(env, name) end
	return real(code, name, env)
end

local function written(v, seen)
	local kind = type(v)
	if kind == "string" then
		return '"' .. v:gsub("[^%w %p]", function(c) return ("\\x%02x"):format(c:byte()) end) .. '"'
	elseif kind == "number" then
		return math.type(v) == "integer" and ("%d"):format(v) or "float " .. ("%.14g"):format(v)
	elseif kind == "boolean" then
		return tostring(v)
	elseif kind ~= "table" then
		return "<" .. kind .. ">"
	elseif proxies[v] then
		return "<option>"
	elseif seen[v] then
		return "<table>"
	end
	seen[v] = true
	local parts, keys = {}, {}
	while rawget(v, #parts + 1) ~= nil do parts[#parts + 1] = written(rawget(v, #parts + 1), seen) end
	for k in pairs(v) do
		if type(k) == "string" then keys[#keys + 1] = k end
	end
	table.sort(keys)
	for _, k in ipairs(keys) do parts[#parts + 1] = written(k, seen) .. "=" .. written(v[k], seen) end
	seen[v] = nil
	return "{" .. table.concat(parts, ",") .. "}"
end

-- Without the C library's own buffering, so that print of a configuration does
-- not mix with the answer.
print = function() end
local answer = io.stdout
io.stdout = io.stderr

local configmanager = require "core.configmanager"

local function read(path)
	_G.prosody.paths.config = path:match("^(.*)/")
	local called, ok, level, message = pcall(configmanager.load, path, "lua")
	if not called or not ok then
		answer:write("refused: ", tostring(called and message or ok), "\n")
		return
	end
	local sections = {}
	for name in pairs(configmanager.getconfig()) do sections[#sections + 1] = name end
	table.sort(sections)
	for _, name in ipairs(sections) do
		local options = rawget(configmanager.getconfig(), name)
		local component = rawget(options, "component_module")
		local kind = name == "*" and "global" or component and "component " .. written(component, {}) or "host"
		local keys = {}
		for k in pairs(options) do
			local internal = name ~= "*" and (k == "defined" or k == "component_module" or k == "load_global_modules")
			if type(k) == "string" and not internal then keys[#keys + 1] = k end
		end
		table.sort(keys)
		answer:write("[", name, "] ", kind, "\n")
		for _, k in ipairs(keys) do answer:write("  ", written(k, {}), " = ", written(rawget(options, k), {}), "\n") end
	end
end

for i = 3, #arg do
	read(arg[i])
	answer:write("\0")
end

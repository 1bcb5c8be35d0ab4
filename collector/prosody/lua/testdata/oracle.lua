-- Runs programs and writes their results, for comparison. Each program comes as
-- its length in bytes, a line break, and the program; each answer is one line.

local function written(v, depth)
	local kind = type(v)
	if kind == "string" then
		return '"' .. v:gsub("[^%w %p]", function(c) return ("\\x%02x"):format(c:byte()) end) .. '"'
	elseif kind == "number" then
		if v ~= v then return "nan" end
		return math.type(v) == "integer" and ("%d"):format(v) or "float " .. (v == math.huge and "inf" or v == -math.huge and "-inf" or ("%.14g"):format(v))
	elseif kind == "table" then
		if depth > 8 then return "deep" end
		local parts = {}
		for key, value in pairs(v) do
			parts[#parts + 1] = "[" .. written(key, depth + 1) .. "]=" .. written(value, depth + 1)
		end
		table.sort(parts)
		return "{" .. table.concat(parts, ",") .. "}"
	elseif kind == "nil" or kind == "boolean" then
		return tostring(v)
	end
	return kind
end

local function answer(ok, ...)
	if not ok then
		return "error"
	end
	local parts = {}
	for i = 1, select("#", ...) do
		parts[i] = written((select(i, ...)), 0)
	end
	return "ok " .. table.concat(parts, " ")
end

while true do
	local length = io.read("n", "l")
	if not length then break end
	local program = length > 0 and io.read(length) or ""
	local environment = {}
	for name, value in pairs(_G) do environment[name] = value end
	environment._G = environment
	local chunk = load(program, "=program", "t", environment)
	io.write(chunk and answer(pcall(chunk)) or "syntax", "\n")
	io.flush()
end

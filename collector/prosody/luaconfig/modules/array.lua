-- util.array of Prosody, as far as configurations use it.
local methods = {}
local meta = { __index = methods, __name = "array" }

local function new(list)
	return setmetatable(list or {}, meta)
end

function meta.__add(a, b)
	return new():append(a):append(b)
end

function methods:append(list)
	for _, item in ipairs(list) do
		self[#self + 1] = item
	end
	return self
end

function methods:push(item)
	self[#self + 1] = item
	return self
end

function methods:pop(i)
	return table.remove(self, i)
end

function methods:concat(separator)
	local texts = {}
	for i, item in ipairs(self) do
		texts[i] = tostring(item)
	end
	return table.concat(texts, separator)
end

function methods:length()
	return #self
end

function methods:contains(value)
	for _, item in ipairs(self) do
		if item == value then
			return true
		end
	end
	return false
end

function methods:map(f)
	for i, item in ipairs(self) do
		self[i] = f(item)
	end
	return self
end

function methods:filter(f)
	local kept = {}
	for _, item in ipairs(self) do
		if f(item) then
			kept[#kept + 1] = item
		end
	end
	for i = 1, math.max(#self, #kept) do
		self[i] = kept[i]
	end
	return self
end

function methods:sort(...)
	table.sort(self, ...)
	return self
end

function methods:unique()
	local seen = {}
	return self:filter(function(item)
		local new_item = not seen[item]
		seen[item] = true
		return new_item
	end)
end

function methods:reverse()
	local n = #self
	for i = 1, n // 2 do
		self[i], self[n + 1 - i] = self[n + 1 - i], self[i]
	end
	return self
end

return setmetatable({}, { __call = function(_, list) return new(list) end, __index = methods })

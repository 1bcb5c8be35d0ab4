-- util.set of Prosody, as far as configurations use it.
local methods = {}
local meta = { __index = methods, __name = "set" }

local function new(list)
	local s = setmetatable({ _items = {} }, meta)
	return s:add_list(list)
end

function methods:add(item)
	self._items[item] = true
	return self
end

function methods:contains(item)
	return self._items[item] or false
end

function methods:contains_set(other)
	for item in pairs(other._items) do
		if not self._items[item] then
			return false
		end
	end
	return true
end

function methods:items()
	return next, self._items
end

function methods:remove(item)
	self._items[item] = nil
	return self
end

function methods:add_list(list)
	for _, item in ipairs(list or {}) do
		self._items[item] = true
	end
	return self
end

function methods:include(other)
	for item in pairs(other._items) do
		self._items[item] = true
	end
	return self
end

function methods:exclude(other)
	for item in pairs(other._items) do
		self._items[item] = nil
	end
	return self
end

function methods:empty()
	return not next(self._items)
end

function meta.__add(a, b)
	return new():include(a):include(b)
end

function meta.__sub(a, b)
	return new():include(a):exclude(b)
end

function meta.__div(s, f)
	local made = new()
	for item in pairs(s._items) do
		local value = f(item)
		if value ~= nil then
			made:add(value)
		end
	end
	return made
end

return { new = new, is_set = function(v) return getmetatable(v) == meta end, union = meta.__add, difference = meta.__sub }

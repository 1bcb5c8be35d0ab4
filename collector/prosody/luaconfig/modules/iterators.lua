-- util.iterators of Prosody, as far as configurations use it.
local it = {}

function it.values(t)
	local key
	return function()
		local value
		key, value = next(t, key)
		return value
	end
end

function it.keys(t)
	local key
	return function()
		key = next(t, key)
		return key
	end
end

function it.to_array(f, s, v)
	local list = {}
	for item in f, s, v do
		list[#list + 1] = item
	end
	return list
end

function it.count(f, s, v)
	local n = 0
	for _ in f, s, v do
		n = n + 1
	end
	return n
end

function it.sorted_pairs(t, order)
	local keys = it.to_array(it.keys(t))
	table.sort(keys, order)
	local i = 0
	return function()
		i = i + 1
		if keys[i] ~= nil then
			return keys[i], t[keys[i]]
		end
	end
end

return it

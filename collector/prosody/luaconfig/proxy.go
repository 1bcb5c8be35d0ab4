package luaconfig

import "active_users_exporter/collector/prosody/lua"

// proxy is what Prosody 13 gives for an option that is a table: it cannot be
// indexed, but has operations.
func (f *file) proxy(section, option string) *lua.Table {
	p, meta := lua.NewTable(), lua.NewTable()
	p.Set("host", section)
	p.Set("option_name", option)
	value := func() lua.Value { return f.sections[section].Get(option) }
	add := func(c *lua.Call, given lua.Value) []lua.Value {
		items, ok := given.(*lua.Table)
		if !ok {
			c.Raise("'append' operation expects a list of values to append to the existing list")
		}
		target, ok := value().(*lua.Table)
		if value() == nil {
			target, ok = lua.NewTable(), true
			f.sections[section].Set(option, target)
		}
		if !ok {
			c.Raise("'append' operation on an option that is no list")
		}
		appendTo(c, target, items)
		return []lua.Value{p}
	}
	methods := map[string]*lua.Function{
		"append": lua.NewFunction("append", func(c *lua.Call) []lua.Value { return add(c, c.Arg(2)) }),
		"value":  lua.NewFunction("value", func(*lua.Call) []lua.Value { return []lua.Value{value()} }),
		"values": lua.NewFunction("values", func(c *lua.Call) []lua.Value {
			t, _ := value().(*lua.Table)
			if t == nil {
				c.Raise("the option is no list")
			}
			var key lua.Value
			return []lua.Value{lua.NewFunction("values_iterator", func(*lua.Call) []lua.Value {
				next, v, _ := t.Next(key)
				key = next
				if key == nil {
					return []lua.Value{nil}
				}
				return []lua.Value{v}
			})}
		}),
	}
	meta.Set("__index", lua.NewFunction("operation", func(c *lua.Call) []lua.Value {
		name, _ := c.Arg(2).(string)
		method := methods[name]
		if method == nil {
			c.Raise("Unknown config option operation: only append, value and values can be asked of an option")
		}
		return []lua.Value{method}
	}))
	meta.Set("__call", lua.NewFunction("operation", func(c *lua.Call) []lua.Value {
		if _, ok := c.Arg(2).(*lua.Table); !ok {
			c.Raise("Invalid syntax - missing '=' perhaps?")
		}
		return add(c, c.Arg(2))
	}))
	p.SetMeta(meta)
	f.proxies[p] = true
	return p
}

// appendTo adds the items of a list, or the fields of what is none.
func appendTo(c *lua.Call, target, items *lua.Table) {
	if items.Get(int64(1)) == nil {
		for key, value, _ := items.Next(nil); key != nil; key, value, _ = items.Next(key) {
			c.Allocate(160)
			target.Set(key, value)
		}
		return
	}
	for i := int64(1); items.Get(i) != nil; i++ {
		c.Allocate(160)
		target.Set(target.Len()+1, items.Get(i))
	}
}

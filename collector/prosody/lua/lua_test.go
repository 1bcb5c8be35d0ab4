package lua_test

import (
	"errors"
	"os"
	"strings"
	"testing"

	"active_users_exporter/collector/prosody/lua"
)

// TestProgramsMeanWhatLua54Takes runs each paragraph of the programs in
// testdata here and in lua5.4: the results are the same.
func TestProgramsMeanWhatLua54Takes(t *testing.T) {
	content, err := os.ReadFile("testdata/programs.lua")
	if err != nil {
		t.Fatal(err)
	}
	oracle := newOracle(t)
	programs := strings.Split(string(content), "\n\n")
	if len(programs) < 150 {
		t.Fatalf("%d programs, want at least 150", len(programs))
	}
	for _, program := range programs {
		if want, got := oracle.run(t, program), ours(program); got != want {
			t.Errorf("program\n%s\nhere:   %s\nlua5.4: %s", program, got, want)
		}
	}
}

// run runs a program within small limits and returns its error.
func run(program string) error {
	in := lua.New(lua.Limits{Steps: 1_000_000, Memory: 16 << 20})
	f, err := in.Load("file", program, in.Globals())
	if err != nil {
		return err
	}
	_, err = in.Run(f)
	return err
}

// TestNothingRunsAway: a program that would take too long, too much or too deep
// ends, and cannot catch it.
func TestNothingRunsAway(t *testing.T) {
	const steps, memory, calls = "too many steps", "too much memory", "calls lie in one another"
	for name, c := range map[string]struct{ program, says string }{
		"a loop":                        {`while true do end`, steps},
		"a loop with goto":              {`::a:: goto a`, steps},
		"repeat":                        {`repeat until false`, steps},
		"a numeric loop":                {`for i = 1, math.huge do end`, steps},
		"a caught loop":                 {`pcall(function() while true do end end) while true do end`, steps},
		"a loop in a finalizer":         {`do local x <close> = setmetatable({}, { __close = function() while true do end end }) end`, steps},
		"recursion":                     {`local function f() return 1 + f() end f()`, calls},
		"recursion through pcall":       {`local function f() return pcall(f) end f()`, calls},
		"recursion through metamethods": {`local t = {} setmetatable(t, { __index = function(t, k) return t[k .. "x"] end }) return t.x`, calls},
		"recursion through gsub":        {`local function f() return ("x"):gsub("x", f) end f()`, calls},
		"a doubled string":              {`local s = "x" while true do s = s .. s end`, memory},
		"string.rep":                    {`return ("x"):rep(1e9)`, memory},
		"string.rep of nothing, often":  {`return (""):rep(1e18, "ab")`, memory},
		"rep of rep":                    {`local s = "x" for i = 1, 9 do s = s:rep(1000) end`, memory},
		"a table":                       {`local t = {} for i = 1, math.huge do t[i] = i end`, memory},
		"tables":                        {`local t while true do t = { t } end`, memory},
		"closures":                      {`local t while true do t = function() return t end end`, memory},
		"concat":                        {`local t = {} for i = 1, 1000 do t[i] = ("x"):rep(1000) end while true do local s = table.concat(t) end`, memory},
		"format":                        {`local s = ("x"):rep(1e5) while true do s = ("%s%s"):format(s, s) end`, memory},
		"gsub":                          {`local s = ("x"):rep(1e4) for i = 1, 9 do s = s:gsub("x", "%0%0%0%0%0%0%0%0%0%0") end`, ""},
		"unpack":                        {`while true do local t = { table.unpack({}, 1, 90000) } end`, memory},
		"a pattern with many stars":     {`return (("a"):rep(3000)):find((".*"):rep(20) .. "b")`, steps},
		"a pattern with many minuses":   {`return (("a"):rep(3000)):find((".-"):rep(20) .. "b")`, steps},
		"a pattern of optional letters": {`return (("a"):rep(100)):match((("a?"):rep(100)) .. ("a"):rep(101))`, steps},
		"balanced brackets":             {`local s = ("("):rep(1e5) return s:find("%b()")`, steps},
		"gmatch":                        {`local s = ("a"):rep(1e6) for _ in s:gmatch(".") do end`, steps},
		"an iterator without an end":    {`for _ in function() return 1 end do end`, ""},
		"ipairs without an end":         {`for _ in ipairs(setmetatable({}, { __index = function() return 1 end })) do end`, ""},
		"table.move":                    {`table.move({}, 1, 1e9, 2)`, steps},
		"table.sort":                    {`local t = {} for i = 1, 90000 do t[i] = i % 1000 end table.sort(t, function(a, b) return a < b end)`, ""},
		"load":                          {`while true do load("x = 1") end`, ""},
		"load of much, caught":          {`local s = ("x = 1 "):rep(100000) for i = 1, 9 do pcall(load, s) end`, ""},
		"a long program":                {strings.Repeat("x = 1 ", 100000), memory},
		"load without an end":           {`load(function() return "x = 1 " end)`, ""},
	} {
		err := run(c.program)
		_, refused := errors.AsType[*lua.RefusalError](err)
		switch {
		case !refused:
			t.Errorf("%s: error %v, want a refusal", name, err)
		case !strings.Contains(err.Error(), c.says):
			t.Errorf("%s: error %v, want one that says %q", name, err, c.says)
		}
	}
}

// TestErrorsSayWhereAndWhy: with line and column, and never with a value, which
// may be a password.
func TestErrorsSayWhereAndWhy(t *testing.T) {
	for _, c := range []struct{ program, want string }{
		{"x = = 1", "file:1:5: no valid Lua: '=' is not expected here"},
		{"local t = {\n  1, 2", "file:2:7: no valid Lua: '}' expected, to close '{' of line 1"},
		{"if x then\n\n", "file:3:1: no valid Lua: 'end' expected, to close 'if' of line 1"},
		{"x = 'hunter2", "file:1:5: a string without an end in its line"},
		{"x = [[hunter2", "file:1:5: a long string without an end"},
		{"x = 5hunter2", "file:1:5: a malformed number"},
		{"x = 'hunter2\\q'", "file:1:13: an escape that Lua does not know"},
		{"\ufeffx = 1", "file:1:1: a byte order mark is no Lua, and Prosody refuses it as well: save the file as UTF-8 without it"},
		{"x = “hunter2”", "file:1:5: a character that is no Lua"},
		{"'hunter2'", "file:1:1: no valid Lua: a string is not expected here"},
		{"modules_enabled { 'x' }", "file:1:1: attempt to call a nil value (global 'modules_enabled')"},
		{"\n  local a = 'hunter2' + {}", "file:2:23: attempt to perform arithmetic on a string value (constant)"},
		{"x = y.z", "file:1:5: attempt to index a nil value (global 'y')"},
		{"x = 'a' .. y", "file:1:9: attempt to concatenate a nil value (global 'y')"},
		{"local t = {} t.a.b = 1", "file:1:14: attempt to index a nil value (field 'a')"},
		{"('x'):hunter()", "file:1:1: attempt to call a nil value (method 'hunter')"},
		{"string.rep()", "file:1:1: bad argument #1 to 'rep' (string expected, got no value)"},
		{"error('set DB_PASSWORD')", "file:1:1: set DB_PASSWORD"},
		{"assert(nil, 'set DB_PASSWORD')", "file:1:1: set DB_PASSWORD"},
		{"local p = 'hunter2' error('bad: ' .. p)", "file:1:21: the program raises an error of its own"},
		{"local p = 'hunter2' error(p)", "file:1:21: the program raises an error of its own"},
		{"local p = 'hunter2' assert(false, p)", "file:1:21: the program raises an error of its own"},
		{"assert(false)", "file:1:1: assertion failed!"},
		{"error({ 'hunter2' })", "file:1:1: the program raises an error of its own"},
		{"goto nowhere", "file:1:1: no valid Lua: no visible label 'nowhere' for goto"},
		{"local x <const> = 1\nx = 2", "file:2:1: no valid Lua: an assignment to the constant 'x'"},
		{"local function f()\n  error('e', 2)\nend\nf()", "file:4:1: e"},
	} {
		if err := run(c.program); err == nil || err.Error() != c.want {
			t.Errorf("%q:\nerror %v\nwant  %s", c.program, err, c.want)
		}
	}
	deep := "x = " + strings.Repeat("{", 300) + strings.Repeat("}", 300)
	if err := run(deep); err == nil || !strings.Contains(err.Error(), "levels") {
		t.Errorf("300 levels: error %v", err)
	}
	long := "x = 1" + strings.Repeat(" + 1", 300_000)
	if err := run(long); err == nil || !strings.Contains(err.Error(), "10,000 parts") {
		t.Errorf("a long chain: error %v", err)
	}
}

func FuzzRun(f *testing.F) {
	for _, seed := range []string{`return ("x"):rep(9):gsub("x", {})`, `goto a ::a::`, `local t <close> = nil`, `for k, v in pairs({}) do end`, `x = 0x.p`, `"\u{`} {
		f.Add(seed)
	}
	f.Fuzz(func(_ *testing.T, program string) {
		in := lua.New(lua.Limits{Steps: 20_000, Memory: 1 << 20})
		if f, err := in.Load("file", program, in.Globals()); err == nil {
			_, _ = in.Run(f)
		}
	})
}

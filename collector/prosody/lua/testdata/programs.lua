return 1, 1.0, -0.0, 1e15, 1e16, 1e100, 2^53, 2^63, 10/2, 3//2, -3//2, 3.0//2, 7 % -3, -7 % 3, 7.5 % -2, 1e308*10, -(0/0)

return tostring(1), tostring(1.0), tostring(-0.0), tostring(1e15), tostring(1e14), tostring(123456789012345.0), tostring(0.1), tostring(1/3), tostring(1e100), tostring(2^63), tostring(1/0), tostring(-1/0), 100 .. "", 1e3 .. "", 2^10 .. ""

return 0x10, 0xff, 0xA.8p0, 0x.1p4, 0xffffffffffffffff, 0x1p-2, 9223372036854775807, 9223372036854775808, 1e2, .5, 3., 0x7fffffffffffffff + 1

return 1 << 62, 1 << 63, 1 << 64, 1 >> 1, -1 >> 1, -1 << 1, 5 & 3, 5 | 3, 5 ~ 3, ~5, 3.0 & 1, pcall(function() return "3" | 0 end) == false, 1 << -1, 2 >> -1

return "10" + 1, "3" * "4", "0x10" + 0, " 5 " + 1, "1e1" + 0, 10 .. 20, "10" / 2, -"2", "7" // 2, "2" ^ 2

return 1 == 1.0, "1" == 1, 0 == -0, 1 < 1.5, 2^53 == 2^53 + 1, 9007199254740993 < 9007199254740992.0, math.maxinteger < math.huge, math.mininteger <= -2^63, math.maxinteger + 0.0 == math.maxinteger

return "a" < "b", "a" < "B", "" < "a", "a\0b" < "a\0c", "Z" < "a", "10" < "9", not nil, not 0, nil == false

return nil and 1, false or nil, 1 and 2, nil or "x", false and error("no"), 1 or error("no")

return 2^3^2, -2^2, not 1 == 2, 1 .. 2 == "12", 2 * 3 + 4 << 1, 1 + 2 < 4, "a" .. "b" .. "c" == "abc", 5 - 3 - 1, 2^-1, -3 % 5, #"abc" + 1, -"1" + 1

return #"", #"a\0b", "\65\066\x41\u{48}\u{20AC}\z
   x", 'a\'b"c', "a\
b", "\a\b\f\n\r\t\v\\"

return [[
first
second]], [==[a]]b]=]c]==], #[[

x]]

local a <const>, b = 1, 2 local c <close> = nil return a + b

local t = {} local function f(...) return select("#", ...), ... end return f(), (f(1, 2)), f(nil, nil)

local function f(...) local a, b = ... return b, a, ... end return f(1, 2, 3)

local function f() return 1, 2, 3 end local t = { f(), f() } return #t, { f(), 10 }, { [1] = "a", "b" }, { (f()) }

local x = 0 for i = 1, 10 do if i % 2 == 0 then goto continue end x = x + i ::continue:: end return x

for i = 1, 3 do for j = 1, 3 do if i * j == 4 then goto done end end end ::done:: return "x"

do local i = 1 ::top:: if i < 5 then i = i + 1 goto top end return i end

goto missing

do goto inner end do ::inner:: end

local x = 1 goto later local y = 2 ::later:: return y

goto later local y = 2 ::later::

do ::a:: end ::a:: return 1

::a:: ::a::

while true do break end repeat local z = 1 until z == 1 return "x"

break

local s = 0 for i = 10, 1, -3 do s = s * 100 + i end return s

local t = {} for i = 1.0, 2, 0.25 do t[#t + 1] = i end return t

for i = 1, 0 do return "no" end for i = math.maxinteger - 1, math.maxinteger do if i == math.maxinteger then return i end end

local n = 0 for i = math.mininteger, math.mininteger + 2 do n = n + 1 end for i = 1, math.huge do n = n + 1 if n > 10 then break end end return n

for i = 1, 10, 0 do end

for i = "1", 2 do end

for i = 1, 3.7 do if i == 3 then return i end end

for i = 3, 1.2, -1 do if i == 2 then return i end end

local functions = {} for i = 1, 3 do functions[i] = function() i = i + 1 return i end end return functions[1](), functions[1](), functions[2]()

local n = 0 local function count() n = n + 1 return n end count() count() return n, count()

local function fibonacci(n) if n < 2 then return n end return fibonacci(n - 1) + fibonacci(n - 2) end return fibonacci(15)

local t = setmetatable({}, { __index = function(_, k) return k .. "!" end }) return t.x, t[1], rawget(t, "x")

local log = {} local t = setmetatable({}, { __newindex = function(t, k, v) rawset(t, k, v * 2) end }) t.a = 1 t.a = 5 t.b = 3 return t

local base = { greet = function(self) return "I am " .. self.name end } base.__index = base local o = setmetatable({ name = "o" }, base) return o:greet()

local v = setmetatable({}, { __add = function(a, b) return "add" end, __concat = function() return "concat" end, __len = function() return 7 end, __call = function(self, a) return a end, __unm = function() return "minus" end, __eq = function() return true end, __lt = function() return true end, __le = function() return false end, __tostring = function() return "text" end, __idiv = function() return "idiv" end, __band = function() return "band" end, __shl = function() return "shl" end, __bnot = function() return "bnot" end, __name = "N" }) return v + 1, 1 + v, v .. "x", "x" .. v, #v, v(5), -v, v == setmetatable({}, getmetatable(v)), v < v, v <= v, v > 1, tostring(v), v // 1, 1 & v, v << 1, ~v, v ~= v

local closed = {} do local a <close> = setmetatable({}, { __close = function() closed[#closed + 1] = "a" end }) local b <close> = setmetatable({}, { __close = function(_, e) closed[#closed + 1] = "b" end }) closed[#closed + 1] = "body" end return closed

local log = {} local function f() local a <close> = setmetatable({}, { __close = function(_, e) log[#log + 1] = e ~= nil end }) error("x") end local ok = pcall(f) return ok, log

local x <const> = 1 x = 2

local x <close> = 5

local x <unknown> = 5

local t = { 1, 2, 3, nil, 5 } return #t, select("#", table.unpack(t)), { n = 1, [2] = "b", [3.0] = "c", [-1] = true, ["key with blanks"] = 1; 7 }

local t = {} t[1] = 1 t[2] = 2 t[4] = 4 t[3] = 3 local n = #t t[4] = nil return n, #t, next({}), next({ 5 }), rawlen({ 1, 2 }), rawlen("abc"), rawequal(t, t)

local t = { 1, 2, 3 } for k in pairs(t) do t[k] = nil end t.x = 1 for k in pairs(t) do t[k] = nil end return next(t), #t

local t = { "a", "b", nil, "d" } local n = 0 for i, v in ipairs(t) do n = n + i end return n

local keys = {} for k, v in pairs({ "x", "y", z = 1 }) do keys[#keys + 1] = tostring(k) .. tostring(v) end table.sort(keys) return table.concat(keys, " ")

local t = setmetatable({}, { __pairs = function(t) return function(_, k) if not k then return 1, 2 end end, t, nil end }) for k, v in pairs(t) do return k, v end

return type(nil), type(1), type("x"), type({}), type(print), type(type), pcall(type)

return tonumber("10"), tonumber("0x1F"), tonumber("  12  "), tonumber("1e2"), tonumber("abc"), tonumber(""), tonumber("10", 2), tonumber("zz", 36), tonumber("8", 8), tonumber("-ff", 16), tonumber("1_0"), tonumber("0x"), tonumber("1e"), tonumber("inf"), tonumber("nan"), tonumber("5."), tonumber(".5"), tonumber("."), tonumber("0x.8"), tonumber("1 2"), tonumber(nil)

return tonumber("9223372036854775808"), tonumber("-9223372036854775808"), tonumber("1e400"), tonumber("0x1p4"), tonumber("1\0"), tonumber(true)

return tonumber()

return tostring(nil), tostring(true), tostring("x"), pcall(tostring)

return assert(1, "no", 3), pcall(assert, false), pcall(assert, nil, "message"), pcall(assert, false, { 1 })

return pcall(error, "x", 0), pcall(error, { code = 1 }), pcall(error), pcall(error, nil), select("#", pcall(error))

local ok, message = pcall(function() error("here") end) return ok, message

local function level() error("there", 2) end local ok, message = pcall(function() level() end) return message

return pcall(function() return nil + 1 end)

return pcall(function() local x return x.y end), pcall(function() local x = {} return x.y.z end), pcall(function() return undefined.x end), pcall(function() undefined() end), pcall(function() local t = {} t.x.y = 1 end), pcall(function() local t = {} t:method() end), pcall(function() return #5 end), pcall(function() return {} .. "x" end), pcall(function() return {} < {} end), pcall(function() return 1 < "x" end), pcall(function() return nil > 1 end), pcall(function() return 1 // 0 end), pcall(function() return 1 % 0 end), pcall(function() local t = {} t[nil] = 1 end), pcall(function() local t = {} t[0/0] = 1 end), pcall(function() return 1.5 & 1 end), pcall(function() return ("x")() end), pcall(function() return "a" + 1 end == nil), pcall(function() return -{} end)

return xpcall(function() error("x", 0) end, function(e) return e .. "!" end), xpcall(function(a) return a end, print, 5)

return select(2, "a", "b", "c"), select(-1, "a", "b"), select("#"), pcall(select, 0)

local f = load("return ... + 1") return f(5), load("syntax error here"), (load("return x", "c", "t", { x = 9 }))(), load(function() return nil end)

local parts = { "return ", "1 + ", "2" } local i = 0 return load(function() i = i + 1 return parts[i] end)()

x = 5 local function f() local _ENV = { x = 7 } return x end return x, f(), _ENV.x, _G.x

local function f(_ENV) return a end return f({ a = 3 })

return ("abc"):upper(), ("ABC"):lower(), ("abc"):len(), ("abc"):reverse(), ("abc"):rep(3), ("abc"):rep(2, "-"), ("abc"):rep(0), ("abc"):rep(-1), ("x"):rep(1, "sep"), ("abc"):byte(), ("abc"):byte(1, -1), ("abc"):byte(10), string.char(), string.char(72, 105)

return ("hello"):sub(2), ("hello"):sub(2, 3), ("hello"):sub(-3), ("hello"):sub(-3, -2), ("hello"):sub(0), ("hello"):sub(10), ("hello"):sub(3, 2), ("hello"):sub(-100, 2), ("hello"):sub(2, 100), ("hello"):sub(math.mininteger, math.maxinteger), ("hello"):sub("2")

return ("hello world"):find("o"), ("hello world"):find("o", 6), ("hello"):find("l+"), ("hello"):find("(l)(l)"), ("a.b"):find(".", 1, true), ("a.b"):find("%."), ("abc"):find(""), ("abc"):find("", 10), ("abc"):find("", 4), ("abc"):find("b", -1), ("abc"):find("b", -10), ("abc"):find("^b"), ("abc"):find("^a"), ("abc"):find("c$"), ("a$c"):find("$c"), ("abc"):find("()b()")

return ("key = value"):match("^(%w+)%s*=%s*(%w+)$"), ("2024-01-02"):match("(%d+)-(%d+)-(%d+)"), ("abc"):match(".-"), ("abc"):match(".-$"), ("  x "):match("^%s*(.-)%s*$"), ("abc"):match("()"), ("x"):match("y"), ("[[x]]"):match("%[%[(.*)%]%]"), ("a,b"):match("[^,]*"), ("]"):match("[]]"), ("-"):match("[a%-z]"), ("^"):match("[%^]"), ("b"):match("[^a]"), ("é"):match("[\xc3][\xa9]")

return ("THE (quick) fox"):find("%((%a+)%)"), ("f(a(b)c)d"):match("%b()"), ("THE fox"):gsub("%f[%a]%a+", "X"), ("abcabc"):match("(abc)%1"), ("x=1, y=2"):gsub("(%w+)=(%w+)", "%2=%1"), ("abc"):gsub("", "-"), ("abc"):gsub(".", { a = 1, b = true, c = false }), ("abc"):gsub("%w", "%0%0"), ("abc"):gsub("b", "%%"), ("hello"):gsub("l", function(c) return nil end), ("hello"):gsub("l", "L", 1), ("hello"):gsub("^h", "H"), ("abc"):gsub("b*", "x"), ("a b c"):gsub("%s", ""), ("abc def"):gsub("%w+", string.upper), ("x"):gsub("x", "%1")

return pcall(string.gsub, "abc", "b", "%2"), pcall(string.gsub, "abc", "b", "%"), pcall(string.gsub, "abc", "(", "x"), pcall(string.gsub, "abc", "%", "x"), pcall(string.gsub, "abc", "[a", "x"), pcall(string.gsub, "abc", ")", "x"), pcall(string.gsub, "abc", "%f", "x"), pcall(string.gsub, "abc", "%b", "x"), pcall(string.gsub, "abc", "a", nil), pcall(string.gsub, "abc", "a", function() return {} end), pcall(string.find, "a", "%1")

local t = {} for w in ("one two  three"):gmatch("%a+") do t[#t + 1] = w end for k, v in ("a=1,b=2"):gmatch("(%w+)=(%w+)") do t[k] = v end return t

local t = {} for p in ("abc"):gmatch("()") do t[#t + 1] = p end for w in ("a,,b"):gmatch("([^,]*)") do t[#t + 1] = w end for w in ("aXb"):gmatch("^%a") do t[#t + 1] = w end return t

local t = {} for part in ("muc,upload , share"):gmatch("[^,%s]+") do table.insert(t, part) end return table.concat(t, "|")

return ("%d %5d %-5d| %05d %+d %x %X %#x %o %c %s %q %%"):format(1, 2, 3, 4, 5, 255, 255, 255, 8, 65, "s", "q\n\"\0\\1")

return ("%5s|%-5s|%.2s|%5.1s|%s"):format("ab", "ab", "abc", "xyz", nil), ("%s %s %s"):format(1, 1.0, true), ("%10.4f|%-10.2f|%e|%g|%g|%g"):format(math.pi, 2.5, 12345.678, 1e20, 0.1, 100000), ("%i"):format(3.0), ("%.3d"):format(5), ("%5.2f%%"):format(99.5), ("%g %g"):format(1e15, 123456789)

return pcall(string.format, "%d", 1.5), pcall(string.format, "%d", "x"), pcall(string.format, "%y", 1), pcall(string.format, "%"), pcall(string.format, "%d"), pcall(string.format, "%123d", 1), ("%d"):format("10"), ("%s"):format(setmetatable({}, { __tostring = function() return "made" end })), ("%x"):format(-1), ("%5c|"):format(65), ("%.0f"):format(0.5), ("%.20s"):format("short"), ("% d"):format(5), ("%a"):format(1), ("%q"):format(1 / 3), ("%q"):format(10)

return ("%g"):format(0/0) == ("%g"):format(0/0), ("%f %5.1f %g"):format(1/0, -1/0, 1/0), ("%.14g"):format(3.14159265358979), ("%.3f"):format(2/3), ("%5d|%-8s|%08.3f"):format(42, "left", 3.14159)

return table.concat({ 1, 2, 3 }), table.concat({ "a", "b" }, ", "), table.concat({}), table.concat({ 1, 2, 3 }, "-", 2), table.concat({ 1, 2, 3 }, "-", 2, 2), table.concat({ 1, 2, 3 }, "-", 3, 2), table.concat({ 1.5, "x" }, "")

return pcall(table.concat, { {} }), pcall(table.concat, { 1, nil, 3 }, "", 1, 3), pcall(table.concat, 5)

local t = { 1, 2, 3 } table.insert(t, 4) table.insert(t, 1, 0) table.insert(t, 3, "x") local removed = table.remove(t) local first = table.remove(t, 1) return t, removed, first, table.remove({}), table.remove(t, 2), #t

return pcall(table.insert, { 1 }, 5, 1), pcall(table.insert, { 1 }, 0, 1), pcall(table.insert, { 1 }), pcall(table.insert, nil, 1), pcall(table.insert, {}, 1, 2, 3), pcall(table.remove, { 1, 2 }, 5), table.remove({ 1, 2 }, 3), table.remove({}, 0)

local t = { 5, 2, 8, 1 } table.sort(t) local down = { 5, 2, 8, 1 } table.sort(down, function(a, b) return a > b end) local words = { "b", "a", "C" } table.sort(words) return t, down, words, pcall(table.sort, { 1, "x" }), pcall(table.sort, { {}, {} })

return table.unpack({ 1, 2, 3 }), table.unpack({ 1, 2, 3 }, 2), table.unpack({ 1, 2, 3 }, 2, 3), table.unpack({}, 1, 3), table.pack(1, nil, 3), table.pack(), table.move({ 1, 2, 3 }, 1, 3, 2), table.move({ 1, 2, 3 }, 2, 3, 1), table.move({ 1, 2 }, 1, 2, 1, {})

return pcall(table.unpack, {}, 1, 1e8)

return math.floor(3.7), math.floor(-3.7), math.ceil(3.2), math.ceil(-3.2), math.floor(5), math.floor(1e300), math.abs(-5), math.abs(-5.5), math.abs(math.mininteger), math.max(1, 2.5), math.min(3, 1, 2), math.max(1, 1.0), math.sqrt(16), math.fmod(7, 3), math.fmod(-7, 3), math.fmod(7, -3.0), math.tointeger(3.0), math.tointeger(3.5), math.tointeger("8"), math.type(1), math.type(1.0), math.type("1"), math.ult(1, -1), math.pi, math.huge, math.modf(3.7), math.modf(-3.7), math.modf(5), math.modf(1/0)

return math.exp(0), math.log(8, 2), math.log(100, 10), math.log(1), math.sin(0), math.cos(0), math.deg(math.pi), math.rad(180), math.atan(1, 1), math.floor("3.7"), pcall(math.floor, "x"), pcall(math.floor, {}), pcall(math.max), pcall(math.fmod, 1, 0), math.fmod(1, 0.0) ~= math.fmod(1, 0.0), pcall(math.random, 2, 1), math.random(5, 5)

local r = math.random(10) return r >= 1 and r <= 10, math.random() < 1, math.type(math.random(0))

return utf8.char(72, 228, 8364, 128512), utf8.len("häß€"), utf8.codepoint("ä€", 1, -1), utf8.len("\xff"), utf8.offset("aä€", 3), utf8.offset("aä€", -1), utf8.charpattern, utf8.offset("abc", 5), utf8.len(""), utf8.char()

local t = {} for p, c in utf8.codes("aä€") do t[#t + 1] = p t[#t + 1] = c end return t, pcall(function() for _ in utf8.codes("\xff") do end end), pcall(utf8.codepoint, "abc", 5), utf8.len("äöü", 3), pcall(utf8.len, "abc", 5), utf8.offset("äö", 0, 2)

local t = {} t.x, t.y = 1 t.a, t.b = 1, 2, 3 local i = 1 i, t[i] = 2, "first" return t, i

local a, b = 1, 2 a, b = b, a local t = { 1, 2 } t[1], t[2] = t[2], t[1] return a, b, t

local t = { f = function(self, x) return x end } return t:f "text", t:f { 1 }, (t.f(nil, 5)), t.f(t, ...)

function global(a, b) return a, b end local t = { inner = {} } function t.f(x) return x end function t.inner:g(x) return self == t.inner, x end return global(1), t.f(2), t.inner:g(3)

local function f(a, b, ...) local c = { ... } return a, b, #c, select("#", ...) end return f(1), f(1, 2, 3, nil)

return (function(...) return ... end)(1, 2), ((function() return 1, 2 end)()), #{ (function() return 1, 2 end)() }

if nil then return 1 elseif 0 then return 2 else return 3 end

if false then return 1 elseif nil then return 2 else return 3 end

local n = 0 while n < 5 do n = n + 1 if n == 3 then break end end return n

local n = 0 repeat local done = n >= 3 n = n + 1 until done return n

;;; local x = 1; ; return x;

return 1 return 2

local x = return

x = = 1

f(

local t = { 1, 2

return "unterminated

return 'a' .. [[b

--[[ unterminated

--[==[ a comment
]] still ]==] return "behind"

return 1--[[inner]]+--[[another]]2 -- rest

# return 1

return 0x

return 1e

return 3x

return "\q"

return "\400"

return "\xZZ"

return "\u{110000}", "\u{7FFFFFFF}"

return "\u{80000000}"

local function = 1

return ...

function f() return ... end

local a.b = 1

f() = 1

(f) = 1

1 = x

x

x.y

return x:y

return { 1, , 2 }

return { , }

return { 1; 2, 3; }

return {}, { {} }, { { 1 }, { 2, { 3 } } }, { ["a" .. "b"] = 1, [1 + 1] = 2 }

return f
(5)

local s = "x" return s:rep(3), #s:rep(3), ("a"):rep(2):upper():lower()

local t = {} for i = 1, 100 do t[i] = i end for i = 1, 100, 2 do t[i] = nil end local n = 0 for _ in pairs(t) do n = n + 1 end return n

local t = {} for i = 100, 1, -1 do t[i] = i end return #t, t[50]

local t = { n = 0 } for i = 1, 50 do t["k" .. i] = i end for i = 1, 50 do t["k" .. i] = nil end for i = 1, 50 do t["j" .. i] = i end local n = 0 for _ in pairs(t) do n = n + 1 end return n

local t = { [1.0] = "one", [2^53] = "big" } return t[1], t[2^53], next({ [1.0] = 1 })

local a = {} local b = { [a] = 1, [print] = 2, [true] = 3, [1.5] = 4 } return b[a], b[print], b[true], b[1.5], b[false]

local t = setmetatable({}, { __index = { x = 1, y = setmetatable({}, { __index = { z = 2 } }) } }) return t.x, t.y.z, t.w

return getmetatable("x").__index == string, getmetatable({}), getmetatable(setmetatable({}, { __metatable = "locked" })), pcall(setmetatable, setmetatable({}, { __metatable = 1 }), {}), pcall(setmetatable, 1, {})

return pcall(next, {}, "missing"), pcall(ipairs), pcall(ipairs, nil), pcall(pairs, nil), pcall(rawset, {}, nil, 1), pcall(rawget, 1, 1)

return math.maxinteger + 1 == math.mininteger, math.mininteger // -1, math.mininteger % -1, -math.mininteger, math.maxinteger * 2, 5 // 0.0, -5 // 0.0, 0.0 / 0 ~= 0.0 / 0, 5 % math.huge, -5 % math.huge, 5.3 % 0.1 < 0.1

return 1e15, 1e15 .. "", 123456.789e3 .. "", 5e-324 .. "", 1.7976931348623157e308 .. "", 0.1 + 0.2 .. "", 1e-5 .. "", 3.0 .. "", -1.5e-10 .. ""

return 2^31 | 0, 2^63 == math.maxinteger + 1.0, pcall(function() return 2^63 | 0 end), 1 // 1, 1.0 // 1, 7 // 2.0, -7 // 2.0, 1 % 1.0

local mt = {} mt.__index = function(t, k) return k * 2 end local t = setmetatable({ 1 }, mt) return t[1], t[2], #t, rawlen(t)

return tostring(print):match("^builtin") or tostring(print):match("^function"), tostring({}):match("^table: ")

return string.len("\0\0"), ("a\0b"):find("\0"), ("a\0b"):find("%z"), ("\r\n"):match("%c+") == "\r\n", ("x_1"):match("[%w_]+"), ("ABC"):match("%u+"), ("!?"):match("%p+"), ("\t "):match("%s+"), ("fF09g"):match("%x+"), ("é"):match("%a"), ("a b"):match("%g+"), ("1a"):match("%D"), ("a1"):match("%A"), ("a "):match("%S+"), ("aB"):match("%L")

local s = "a,b;c" local parts = {} for part, sep in s:gmatch("([^,;]+)([,;]?)") do parts[#parts + 1] = part .. (sep ~= "" and "+" or ".") end return table.concat(parts)

local function split(s, sep) if not s then return nil end sep = sep or "," local parts = {} for part in s:gmatch("[^" .. sep .. "]+") do parts[#parts + 1] = part end return parts end return split("a,b,,c"), split(nil), split("a:b", ":"), #split("")

return ("x"):rep(100):gsub("x", "yy"):len()

local n = select("#", table.unpack({}, 1, 200)) return n

return string.format("%-20s|%20s|", "left", "right"), string.format("%s", string.rep("x", 200)):len(), string.format("%-5q", "x")

return ("test"):byte(-1), ("test"):byte(-10, 10), ("")
:byte(), ("x"):byte(0)

local t = table.pack(("a b c"):gsub(" ", "_")) return t.n, t[1], t[2]

local ok, e = pcall(error, setmetatable({}, { __tostring = function() return "E" end })) return ok, tostring(e)

return (" x "):gsub("^%s+", ""):gsub("%s+$", "") .. "|"

return load("x = 1", "chunk", "b"), load("return 1", "chunk", "t")(), (load("\27Lua"))

return collectgarbage("count") ~= nil, _VERSION, type(_G), _G._G == _G, _ENV == _G

return #table.pack(pcall(coroutine ~= nil and type or type, 1))

goto a do ::a:: end

repeat local x = 1 if x then goto continue end local y ::continue:: until true return 1

repeat if true then goto continue end local y = 1 ::continue:: until y return 1

do local x = 1 ::again:: local y = x x = x + 1 if x < 4 then goto again end return x, y end

local list = {} for i = 1, 3 do local j = i list[i] = function() return j end goto continue ::continue:: end return list[1](), list[2](), list[3]()

local i = 0 ::top:: i = i + 1 local captured = i local f = function() return captured end if i < 3 then goto top end return f()

return 08, 1., .1e1, 0X1F, 0xAp1, 1E+2, 1e-2

return 1 < 2 == true, "x" .. 1 + 2, not (1 == 1), not 1 == 1, -2 ^ 2, 2 ^ -1 ^ 2, 1 .. 2 .. 3, 6 // 4 * 2, 7 & 3 | 8 ~ 1, 1 << 2 + 1, "a" .. "b" == "ab" and "yes"

return math.type(3 // 1), math.type(3 / 1), math.type(2^2), math.type(3 % 2), math.type(3.0 % 2), math.type(10 // 2.0), math.type(1e3), math.type(0x10), math.type("10" + 0), math.type("10.0" + 0), math.type(-"3")

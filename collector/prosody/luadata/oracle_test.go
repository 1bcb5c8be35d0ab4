package luadata_test

import (
	"fmt"
	"math"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strconv"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody/luadata"
)

// dump is a Lua program that prints what is in a data file as the test below
// prints what Scan visits: one line for each value, sorted.
const dump = `
local lines = {}
local function show(v)
	if type(v) ~= "string" then return (string.format(math.type(v) == "float" and "%.17g" or "%s", v):gsub("^-nan$", "nan")) end
	return '"' .. v:gsub(".", function(c) return string.format("%02x", c:byte()) end) .. '"'
end
local function walk(path, v)
	if type(v) ~= "table" then lines[#lines + 1] = path .. "= " .. show(v); return end
	if next(v) == nil then lines[#lines + 1] = path .. "= {}" end
	for k, x in pairs(v) do
		if type(k) ~= "table" then walk(path .. show(k) .. " ", x) end
	end
end
walk("", assert(loadfile(arg[1], "t", {}))())
table.sort(lines)
print(table.concat(lines, "\n"))
`

// Real Lua is the judge of what is in a file.
func TestLuaReadsTheSame(t *testing.T) {
	lua, err := exec.LookPath("lua5.4")
	if err != nil {
		if os.Getenv("ACTIVE_USERS_TEST_REQUIRE") != "" {
			t.Fatal("required here: lua5.4")
		}
		t.Skip("no lua5.4 to compare with")
	}
	directory := t.TempDir()
	program := filepath.Join(directory, "dump.lua")
	writeFile(t, program, dump)
	files, err := filepath.Glob("testdata/forms/*.dat")
	if err != nil || len(files) < 10 {
		t.Fatalf("%d files and error %v", len(files), err)
	}
	for _, data := range []string{
		`return nil`, `return { login = { timestamp = 5 }, [ [[k]] ] = 0x10; 'a', "b" }`, `return {"\x41\u{e9}\u{10FFFF}", "\9\65\0651"}`,
		"return {\"a\\z \n\t b\\\nc\", [==[\n]]x]==]}", `return {0XfF, -0x1, 0x.8p1, 0xffffffffffffffff, 1e3, .5, 5., 9223372036854775808, - 7}`,
		"return --[[ c\n]] {--[==[]]]==]\n1, [1.5]=1, [true]=2, [-3]=3}",
	} {
		file := filepath.Join(directory, "data.dat")
		writeFile(t, file, data)
		compare(t, lua, program, file)
	}
	for _, file := range files {
		compare(t, lua, program, file)
	}
}

func compare(t *testing.T, lua, program, file string) {
	t.Helper()
	want, err := exec.CommandContext(t.Context(), lua, program, file).Output()
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	content, err := os.ReadFile(file)
	if err != nil {
		t.Fatal(err)
	}
	got, err := asLua(content)
	if err != nil {
		t.Fatalf("%s: %v", file, err)
	}
	// Lua takes the smallest integer for the negative of a float, as the
	// positive one does not fit; Prosody wrote it as an integer.
	lua54 := strings.ReplaceAll(strings.TrimSpace(string(want)), "-9.2233720368547758e+18", "-9223372036854775808")
	if diff := cmp.Diff(lua54, got); diff != "" {
		t.Errorf("%s (-Lua +Scan):\n%s", content, diff)
	}
}

func writeFile(t *testing.T, path, content string) {
	t.Helper()
	if err := os.WriteFile(path, []byte(content), 0o600); err != nil {
		t.Fatal(err)
	}
}

// asLua prints what Scan visits as dump does.
func asLua(content []byte) (string, error) {
	var lines []string
	err := luadata.Scan(content, func(path []luadata.Value, v luadata.Value) {
		line := ""
		for _, k := range path {
			line += showAsLua(k) + " "
		}
		lines = append(lines, line+"= "+showAsLua(v))
	})
	slices.Sort(lines)
	return strings.Join(lines, "\n"), err
}

func showAsLua(v luadata.Value) string {
	switch v.Kind {
	case luadata.String:
		return fmt.Sprintf("%q", fmt.Sprintf("%x", v.Text))
	case luadata.Float:
		switch {
		case math.IsNaN(v.Float):
			return "nan"
		case math.IsInf(v.Float, 0):
			return strings.TrimPrefix(strings.ToLower(fmt.Sprint(v.Float)), "+")
		}
		return cFloat(v.Float)
	default:
		return show(v)
	}
}

// cFloat writes a number as printf("%.17g") does in C.
func cFloat(f float64) string {
	text := strconv.FormatFloat(f, 'g', 17, 64)
	mantissa, exponent, found := strings.Cut(text, "e")
	if strings.Contains(mantissa, ".") {
		mantissa = strings.TrimRight(strings.TrimRight(mantissa, "0"), ".")
	}
	if found {
		return mantissa + "e" + exponent
	}
	return mantissa
}

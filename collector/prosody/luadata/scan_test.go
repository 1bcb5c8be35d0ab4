package luadata_test

import (
	"fmt"
	"math"
	"os"
	"path/filepath"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"

	"active_users_exporter/collector/prosody/luadata"
)

// visits returns each visited value of a file as "key/key = value".
func visits(tb testing.TB, data string) ([]string, error) {
	tb.Helper()
	var lines []string
	err := luadata.Scan([]byte(data), func(path []luadata.Value, v luadata.Value) {
		var keys []string
		for _, k := range path {
			keys = append(keys, show(k))
		}
		lines = append(lines, strings.Join(keys, "/")+" = "+show(v))
	})
	return lines, err
}

func show(v luadata.Value) string {
	switch v.Kind {
	case luadata.Nil:
		return "nil"
	case luadata.Bool:
		return fmt.Sprint(v.Bool)
	case luadata.Integer:
		return fmt.Sprint(v.Integer)
	case luadata.Float:
		return fmt.Sprintf("%gf", v.Float)
	case luadata.EmptyTable:
		return "{}"
	default:
		return fmt.Sprintf("%q", v.Text)
	}
}

// The files were written by a real Prosody.
func TestEveryFormThatProsodyWrites(t *testing.T) {
	var all strings.Builder
	for i := range 256 {
		all.WriteByte(byte(i))
	}
	for file, want := range map[string][]string{
		"allbytes":            {`"s" = ` + fmt.Sprintf("%q", all.String())},
		"array":               {`1 = "a"`, `2 = "b"`, `3 = "c"`},
		"bools":               {`"t" = true`, `"f" = false`},
		"digits_after_escape": {`"s" = "\x011\x1b2\xff3"`},
		"empty":               {` = {}`},
		"floats": {
			`"b" = 1e+20f`, `"c" = 0`, `"d" = 0.3333333333333333f`, `"e" = 1e-07f`,
			`"f" = 9007199254740992`, `"g" = 1746100802`, `"a" = 1.7461008025e+09f`,
		},
		"ints": {
			`"b" = -1`, `"c" = 1746100802`, `"d" = 9007199254740993`,
			`"e" = 9223372036854775807`, `"f" = -9223372036854775808`, `"a" = 0`,
		},
		"mixed":   {`1 = "a"`, `2 = "b"`, `true = "yes"`, `10 = "ten"`, `1.5f = "half"`, `"x" = "y"`, `-1 = "neg"`},
		"nan":     {`"x" = NaNf`},
		"nested":  {`"login"/"ip" = "::1"`, `"login"/"timestamp" = 1746100802`, `"x"/"y"/"z" = {}`, `"e" = {}`},
		"oddkeys": {`"" = 6`, `"é" = 4`, `"and" = 1`, `"a]b" = 7`, `"1" = 5`, `"end" = 3`, `"a b" = 2`},
		"sparse":  {`2 = "b"`, `3 = "c"`},
		"special": {`"ninf" = -Inff`, `"inf" = +Inff`},
		"strings": {
			`"z" = "a\x00b"`, `"long" = "` + strings.Repeat("x", 300) + `"`, `"u" = "é日本😀"`, `"empty" = ""`,
			`"nl" = "l1\nl2\r\t\v\f\a\b"`, `"q" = "a\"b'c\\d"`,
		},
	} {
		content, err := os.ReadFile(filepath.Join("testdata/forms", file+".dat"))
		if err != nil {
			t.Fatal(err)
		}
		got, err := visits(t, string(content))
		if err != nil {
			t.Errorf("%s: %v", file, err)
		}
		if diff := cmp.Diff(want, got); diff != "" {
			t.Errorf("%s (-want +got):\n%s", file, diff)
		}
	}
}

// What Prosody does not write but Lua reads.
func TestFormsOfOtherWriters(t *testing.T) {
	for data, want := range map[string]string{
		`return nil`:                                   ` = nil`,
		`return 5;`:                                    ` = 5`,
		"#!/usr/bin/lua\nreturn{a=1}":                  `"a" = 1`,
		`return { login = { timestamp = 5 } }`:         `"login"/"timestamp" = 5`,
		`return {a=1,b=2,}`:                            `"a" = 1; "b" = 2`,
		`return {'a', "b"; [[c]]}`:                     `1 = "a"; 2 = "b"; 3 = "c"`,
		"return {[==[\na]]b]==]}":                      `1 = "a]]b"`,
		`return {[ [[k]] ]=1}`:                         `"k" = 1`,
		`return {"\x41\u{e9}\u{10FFFF}"}`:              `1 = "Aé\U0010ffff"`,
		`return {"\9\65\0651"}`:                        `1 = "\tAA1"`,
		"return {\"a\\z \n\t b\\\nc\"}":                `1 = "ab\nc"`,
		"return {\"a\\\r\nb\"}":                        `1 = "a\nb"`,
		`return {0x10, 0XfF, -0x1, 0x.8p1}`:            `1 = 16; 2 = 255; 3 = -1; 4 = 1f`,
		`return {0xffffffffffffffff}`:                  `1 = -1`,
		`return {1e3, .5, 5., 1E+2, 1e-2}`:             `1 = 1000f; 2 = 0.5f; 3 = 5f; 4 = 100f; 5 = 0.01f`,
		`return {9223372036854775808, - 7}`:            `1 = 9.223372036854776e+18f; 2 = -7`,
		"-- c\nreturn --[[ d\ne ]] {--[==[]]]==]\n1}":  `1 = 1`,
		`return {[1.5]=1,[true]=2,[-3]=3}`:             `1.5f = 1; true = 2; -3 = 3`,
		`return {[{a=1}]=2,[{}]={b=3},c=4}`:            `"c" = 4`,
		`return {a=1,a=2,b=nil}`:                       `"a" = 1; "a" = 2; "b" = nil`,
		`return {nilly=1,trueish=2,_=3}`:               `"nilly" = 1; "trueish" = 2; "_" = 3`,
		"return {[\"\\065\"]={\"\\066\";x=\"\\067\"}}": `"A"/1 = "B"; "A"/"x" = "C"`,
	} {
		got, err := visits(t, data)
		if err != nil {
			t.Errorf("%s: %v", data, err)
		}
		if diff := cmp.Diff(want, strings.Join(got, "; ")); diff != "" {
			t.Errorf("%s (-want +got):\n%s", data, diff)
		}
	}
}

func TestEverythingElseIsRefused(t *testing.T) {
	for name, data := range map[string]string{
		"nothing":              ``,
		"blanks":               " \n ",
		"no return":            `{a=1}`,
		"return alone":         `return`,
		"a call":               `return os.execute("true")`,
		"a call in a table":    `return {a=f()}`,
		"a variable":           `return {a=b}`,
		"a statement first":    `x=1 return {}`,
		"a loop":               `while true do end return {}`,
		"arithmetic":           `return {1+1}`,
		"concatenation":        `return {"a".."b"}`,
		"a function":           `return {function() end}`,
		"a sum of infinities":  `return {(1/0)+1}`,
		"brackets":             `return {(1)}`,
		"other divisions":      `return {(2/0)}`,
		"two values":           `return 1,2`,
		"something behind":     `return {} x`,
		"two files":            "return {};\nreturn {};",
		"cut in a table":       `return {a=1`,
		"cut in a key":         `return {["a`,
		"cut behind a key":     `return {["a"]`,
		"cut behind =":         `return {a=`,
		"cut in a string":      `return {"abc`,
		"cut in an escape":     `return {"abc\`,
		"cut in a long string": `return {[==[abc]]`,
		"cut in a comment":     `return --[[ {}`,
		"a line end in quotes": "return {\"a\nb\"}",
		"an unknown escape":    `return {"\q"}`,
		"a large escape":       `return {"\256"}`,
		"a bad hex escape":     `return {"\xg0"}`,
		"a bad rune":           `return {"\u{110000}"}`,
		"an empty rune":        `return {"\u{}"}`,
		"no separator":         `return {1 2}`,
		"two separators":       `return {1,,2}`,
		"a separator alone":    `return {,}`,
		"a nil key":            `return {[nil]=1}`,
		"no =":                 `return {["a"] 1}`,
		"a keyword as key":     `return {end=1}`,
		"a bad number":         `return {1x}`,
		"a number like a name": `return {0xg}`,
		"hex of nothing":       `return {0x}`,
		"infinity by name":     `return {inf}`,
		"Go's numbers":         `return {0b1, 0o7}`,
		"Go's underscores":     `return {1_000}`,
		"two points":           `return {1..2}`,
		"a NUL":                "return {\x00}",
		"deep nesting":         `return ` + strings.Repeat("{", 10000) + strings.Repeat("}", 10000),
		"deep keys":            `return ` + strings.Repeat("{[", 10000),
		"too large":            `return "` + strings.Repeat("x", 9<<20) + `"`,
	} {
		if got, err := visits(t, data); err == nil {
			t.Errorf("%s: read as %v", name, got)
		}
	}
}

func TestErrorsNameTheLineAndNothingElse(t *testing.T) {
	_, err := visits(t, "return {\n\t[\"secret\"] = \"a\\\nb\";\n\t[\"login\"] = secret;\n};\n")
	if err == nil || !strings.HasPrefix(err.Error(), "line 4: ") || strings.Contains(err.Error(), "secret") {
		t.Errorf("error %v", err)
	}
}

func TestScanAllocatesNothing(t *testing.T) {
	record, err := os.ReadFile("testdata/forms/nested.dat")
	if err != nil {
		t.Fatal(err)
	}
	sum := 0.0
	visit := func(path []luadata.Value, v luadata.Value) {
		if n, ok := v.Number(); ok && path[0].Is("login") {
			sum += n
		}
	}
	if n := testing.AllocsPerRun(100, func() { _ = luadata.Scan(record, visit) }); n > 1 {
		t.Errorf("%v allocations, want at most the scanner's own", n)
	}
	if math.Mod(sum, 1746100802) != 0 || sum == 0 {
		t.Errorf("sum %v", sum)
	}
}

// Whatever the bytes, Scan ends, does not panic, and never visits more values
// than there are bytes.
func FuzzScan(f *testing.F) {
	files, err := filepath.Glob("testdata/forms/*.dat")
	if err != nil || len(files) == 0 {
		f.Fatalf("no seeds: %v", err)
	}
	for _, file := range files {
		content, err := os.ReadFile(file)
		if err != nil {
			f.Fatal(err)
		}
		f.Add(content)
	}
	for _, seed := range []string{
		`return {[{a=1}]={2,"\065"},['x']=[==[y]==],0x1p-2,- 5,(0/0)} -- end`, "#!\nreturn --[[\n]] nil;", `return {"\u{7f}\z  \x00"}`, `return {{{{`,
	} {
		f.Add([]byte(seed))
	}
	f.Fuzz(func(t *testing.T, data []byte) {
		values := 0
		err := luadata.Scan(data, func(path []luadata.Value, _ luadata.Value) {
			values++
			if len(path) > 100 {
				t.Errorf("%d keys", len(path))
			}
		})
		if values > len(data) {
			t.Errorf("%d values in %d bytes", values, len(data))
		}
		if err != nil {
			return
		}
		// What can be read can be read with a comment before and behind it.
		if !strings.HasPrefix(string(data), "#") {
			around := "-- before\n" + string(data) + "\n-- behind"
			again, err := visits(t, around)
			if err != nil || len(again) != values {
				t.Errorf("with comments: %d values and error %v, want %d", len(again), err, values)
			}
		}
	})
}

package lua_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"math"
	"os"
	"os/exec"
	"sort"
	"strconv"
	"strings"
	"testing"

	"active_users_exporter/collector/prosody/lua"
)

// oracle is a running lua5.4, which answers as this package should.
type oracle struct {
	in  io.Writer
	out *bufio.Reader
}

func newOracle(tb testing.TB) *oracle {
	tb.Helper()
	path, err := exec.LookPath("lua5.4")
	if err != nil {
		if os.Getenv("ACTIVE_USERS_TEST_REQUIRE") != "" {
			tb.Fatal("required here: lua5.4")
		}
		tb.Skip("no lua5.4 to compare with")
	}
	command := exec.CommandContext(tb.Context(), path, "testdata/oracle.lua")
	command.Env = []string{"LC_ALL=C"}
	in, err := command.StdinPipe()
	if err != nil {
		tb.Fatal(err)
	}
	out, err := command.StdoutPipe()
	if err != nil {
		tb.Fatal(err)
	}
	if err := command.Start(); err != nil {
		tb.Fatal(err)
	}
	tb.Cleanup(func() {
		_ = in.Close()
		_ = command.Wait()
	})
	return &oracle{in, bufio.NewReader(out)}
}

func (o *oracle) run(tb testing.TB, program string) string {
	tb.Helper()
	if _, err := fmt.Fprintf(o.in, "%d\n%s", len(program), program); err != nil {
		tb.Fatal(err)
	}
	line, err := o.out.ReadString('\n')
	if err != nil {
		tb.Fatalf("the oracle gave no answer: %v\n%s", err, program)
	}
	return strings.TrimSuffix(line, "\n")
}

// ours runs a program here and writes its results as the oracle does.
func ours(program string) string {
	in := lua.New(lua.Limits{Steps: 3_000_000, Memory: 64 << 20})
	f, err := in.Load("program", program, in.Globals())
	if err != nil {
		return "syntax"
	}
	results, err := in.Run(f)
	if _, ok := errors.AsType[*lua.RefusalError](err); ok {
		return "refused: " + err.Error()
	}
	if err != nil {
		return "error"
	}
	parts := make([]string, len(results))
	for i, v := range results {
		parts[i] = written(v, 0)
	}
	return "ok " + strings.Join(parts, " ")
}

func written(v lua.Value, depth int) string {
	switch v := v.(type) {
	case nil:
		return "nil"
	case bool:
		return strconv.FormatBool(v)
	case string:
		return writtenText(v)
	case int64:
		return strconv.FormatInt(v, 10)
	case float64:
		switch {
		case math.IsNaN(v):
			return "nan"
		case math.IsInf(v, 0):
			return "float " + strings.TrimPrefix(strings.ToLower(fmt.Sprint(v)), "+")
		}
		return "float " + fmt.Sprintf("%.14g", v)
	case *lua.Table:
		if depth > 8 {
			return "deep"
		}
		var parts []string
		for key, value, _ := v.Next(nil); key != nil; key, value, _ = v.Next(key) {
			parts = append(parts, "["+written(key, depth+1)+"]="+written(value, depth+1))
		}
		sort.Strings(parts)
		return "{" + strings.Join(parts, ",") + "}"
	}
	return lua.TypeOf(v)
}

func writtenText(text string) string {
	var made strings.Builder
	for _, b := range []byte(text) {
		if b >= 0x20 && b < 0x7f {
			made.WriteByte(b)
		} else {
			fmt.Fprintf(&made, "\\x%02x", b)
		}
	}
	return `"` + made.String() + `"`
}

package test

import (
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"testing"

	"github.com/rogpeppe/go-internal/testscript"

	"active_users_exporter/test/samples"
)

// program is the finished program, which TestMain builds and puts where commands
// are looked for.
const program = "active_users_exporter"

func TestMain(m *testing.M) { os.Exit(withProgram(m.Run)) }

// withProgram runs tests that run the program.
func withProgram(tests func() int) int {
	directory, err := os.MkdirTemp("", "active_users_test_")
	if err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	defer func() { _ = os.RemoveAll(directory) }()
	build := exec.Command("go", "build", "-buildvcs=false", "-o", filepath.Join(directory, program))
	if race {
		build.Args = append(build.Args, "-race")
	}
	build.Args = append(build.Args, program)
	if output, err := build.CombinedOutput(); err != nil {
		_, _ = fmt.Fprintf(os.Stderr, "build the program: %v\n%s", err, output)
		return 1
	}
	if err := os.Setenv("PATH", directory+string(filepath.ListSeparator)+os.Getenv("PATH")); err != nil {
		_, _ = fmt.Fprintln(os.Stderr, err)
		return 1
	}
	return tests()
}

// TestScripts runs whole commands; testdata/script says what users see.
func TestScripts(t *testing.T) {
	testscript.Run(t, testscript.Params{
		Dir:                 "testdata/script",
		RequireExplicitExec: true,
		UpdateScripts:       os.Getenv("UPDATE_SCRIPTS") != "",
		Setup:               func(env *testscript.Env) error { return samples.Unpack("..", env.WorkDir) },
	})
}

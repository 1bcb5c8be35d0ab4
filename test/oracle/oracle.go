// Package oracle is for tests alone: it asks the program that a chat server itself
// uses what a configuration means.
package oracle

import (
	"bytes"
	"encoding/json"
	"os/exec"
	"testing"

	"active_users_exporter/collector/sqldb/dbtest"
	"active_users_exporter/test/must"
)

// Python runs a program in Debian's Python, which has PyYAML and psycopg2, with
// question as JSON on its standard input, and reads answer from the JSON that it
// prints. Without them the test is skipped, or fails where everything is required.
func Python(tb testing.TB, program string, question, answer any) {
	tb.Helper()
	const interpreter = "/usr/bin/python3"
	if err := exec.CommandContext(tb.Context(), interpreter, "-c", "import yaml, psycopg2").Run(); err != nil {
		dbtest.Missing(tb, "no python3-yaml and python3-psycopg2 to compare with")
	}
	input, err := json.Marshal(question)
	must.Succeed(tb, err)
	cmd := exec.CommandContext(tb.Context(), interpreter, "-c", program)
	cmd.Stdin = bytes.NewReader(input)
	var stderr bytes.Buffer
	cmd.Stderr = &stderr
	output, err := cmd.Output()
	if err != nil {
		tb.Fatalf("%v: %s", err, &stderr)
	}
	must.Succeed(tb, json.Unmarshal(output, answer))
}

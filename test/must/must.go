// Package must is for tests alone: it does what a test takes for granted, and
// ends the test if that fails.
package must

import (
	"bytes"
	"compress/gzip"
	"io"
	"net"
	"os"
	"testing"
	"time"
)

// Succeed ends the test if err is not nil.
func Succeed(tb testing.TB, err error) {
	tb.Helper()
	if err != nil {
		tb.Fatal(err)
	}
}

// Get returns the value of a call that must succeed, as in
// must.Get(os.Open(path))(t).
func Get[T any](value T, err error) func(tb testing.TB) T {
	return func(tb testing.TB) T {
		tb.Helper()
		Succeed(tb, err)
		return value
	}
}

// ReadFile returns the text of a file.
func ReadFile(tb testing.TB, path string) string {
	tb.Helper()
	content, err := os.ReadFile(path)
	Succeed(tb, err)
	return string(content)
}

// WriteFile writes a file that its owner alone may read.
func WriteFile(tb testing.TB, path, content string) {
	tb.Helper()
	Succeed(tb, os.WriteFile(path, []byte(content), 0o600))
}

// Gunzip returns the uncompressed content of a gzipped file.
func Gunzip(tb testing.TB, path string) []byte {
	tb.Helper()
	compressed, err := os.ReadFile(path)
	Succeed(tb, err)
	reader, err := gzip.NewReader(bytes.NewReader(compressed))
	Succeed(tb, err)
	content, err := io.ReadAll(reader)
	Succeed(tb, err)
	return content
}

// Happen waits until the condition holds, a minute at most.
func Happen(tb testing.TB, condition func() bool) {
	tb.Helper()
	for deadline := time.Now().Add(time.Minute); !condition(); time.Sleep(5 * time.Millisecond) {
		if time.Now().After(deadline) {
			tb.Fatal("it did not happen within a minute")
		}
	}
}

// Dial connects to a TCP address on which somebody will listen within a minute.
func Dial(tb testing.TB, address string) (connection net.Conn) {
	tb.Helper()
	Happen(tb, func() bool {
		var err error
		connection, err = (&net.Dialer{}).DialContext(tb.Context(), "tcp", address)
		return err == nil
	})
	return connection
}

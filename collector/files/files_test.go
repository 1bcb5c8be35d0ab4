package files_test

import (
	"errors"
	"io/fs"
	"net"
	"os"
	"path/filepath"
	"testing"
	"time"

	"golang.org/x/sys/unix"

	"active_users_exporter/collector/files"
	"active_users_exporter/test/must"
)

// inTime fails the test if f does not return: it waits for a pipe.
func inTime(t *testing.T, what string, f func()) {
	t.Helper()
	done := make(chan struct{})
	go func() {
		defer close(done)
		f()
	}()
	select {
	case <-done:
	case <-time.After(time.Minute):
		t.Fatalf("%s does not come back", what)
	}
}

// Whatever has the name, nothing waits for it.
func TestNothingWaits(t *testing.T) {
	folder := t.TempDir()
	path := func(name string) string { return filepath.Join(folder, name) }
	must.Succeed(t, os.WriteFile(path("file"), []byte("content\r\n"), 0o600))
	must.Succeed(t, os.Mkdir(path("folder"), 0o700))
	must.Succeed(t, unix.Mkfifo(path("pipe"), 0o600))
	must.Succeed(t, os.Symlink("file", path("link")))
	must.Succeed(t, os.Symlink("pipe", path("link to pipe")))
	must.Succeed(t, os.Symlink("loop", path("loop")))
	socket, err := net.Listen("unix", path("socket"))
	must.Succeed(t, err)
	t.Cleanup(func() { _ = socket.Close() })

	for name, want := range map[string]error{
		"file": nil, "link": nil,
		"folder": files.ErrNotRegular, "pipe": files.ErrNotRegular, "link to pipe": files.ErrNotRegular, "socket": files.ErrNotRegular,
		"loop": unix.ELOOP, "nothing": fs.ErrNotExist,
	} {
		inTime(t, name, func() {
			content, info, err := files.Read(path(name), 9)
			if !errors.Is(err, want) || err == nil && (string(content) != "content\r\n" || info.Size() != 9) {
				t.Errorf("%s: %q and error %v, want %v", name, content, err, want)
			}
		})
	}
	for name, want := range map[string]error{
		"folder": nil, "file": unix.ENOTDIR, "pipe": unix.ENOTDIR, "link to pipe": unix.ENOTDIR, "socket": unix.ENOTDIR, "loop": unix.ELOOP, "nothing": fs.ErrNotExist,
	} {
		inTime(t, name, func() {
			opened, err := files.OpenFolder(path(name))
			if !errors.Is(err, want) {
				t.Errorf("folder %s: error %v, want %v", name, err, want)
			}
			if err == nil {
				must.Succeed(t, opened.Close())
			}
		})
	}
	if _, _, err := files.Read(path("file"), 8); err == nil {
		t.Error("a file of 9 bytes is read into 8")
	}
	if password, err := files.ReadPassword(path("file")); err != nil || password != "content" {
		t.Errorf("password %q and error %v", password, err)
	}
	if _, err := files.ReadPassword(path("pipe")); !errors.Is(err, files.ErrNotRegular) {
		t.Errorf("a password from a pipe: %v", err)
	}
}

// Package leaks is for tests alone: it finds what a test leaves behind.
package leaks

import (
	"net/http"
	"os"
	"runtime"
	"testing"
	"time"

	"go.uber.org/goleak"
)

// LeavesNothing runs a test that must leave no goroutine, connection or file
// open.
func LeavesNothing(t *testing.T, test func(t *testing.T)) {
	t.Helper()
	before, running := OpenFiles(), goleak.IgnoreCurrent()
	t.Run("leaving nothing", test)
	http.DefaultClient.CloseIdleConnections()
	goleak.VerifyNone(t, running)
	after := OpenFiles()
	for range 20 {
		if len(after) <= len(before) {
			return
		}
		runtime.GC() // the pipes that copying between sockets keeps ready go with the garbage
		time.Sleep(50 * time.Millisecond)
		after = OpenFiles()
	}
	t.Errorf("open files at first: %q\nand now: %q", before, after)
}

// OpenFiles are the targets of all open file descriptors, none where the system
// does not tell (it takes Linux).
func OpenFiles() (all []string) {
	entries, _ := os.ReadDir("/proc/self/fd")
	for _, entry := range entries {
		if target, err := os.Readlink("/proc/self/fd/" + entry.Name()); err == nil {
			all = append(all, target)
		}
	}
	return all
}

// HeapInUse is the memory of what can still be reached, in bytes.
func HeapInUse() int64 {
	runtime.GC()
	var stats runtime.MemStats
	runtime.ReadMemStats(&stats)
	return int64(stats.HeapAlloc)
}

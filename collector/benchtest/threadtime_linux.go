package benchtest

import (
	"runtime"
	"testing"
	"time"

	"golang.org/x/sys/unix"
)

// ThreadTime returns the processor time that work takes.
func ThreadTime(b *testing.B, work func()) time.Duration {
	b.Helper()
	runtime.GC() // that of what was done before is no part of it
	runtime.LockOSThread()
	defer runtime.UnlockOSThread()
	now := func() time.Duration {
		var t unix.Timespec
		if err := unix.ClockGettime(unix.CLOCK_THREAD_CPUTIME_ID, &t); err != nil {
			b.Fatal(err)
		}
		return time.Duration(t.Nano())
	}
	began := now()
	work()
	return now() - began
}

//go:build unix

package benchtest

import (
	"time"

	"golang.org/x/sys/unix"
)

// ProcessTime returns the processor time that this process has used so far.
func ProcessTime() time.Duration {
	var usage unix.Rusage
	if err := unix.Getrusage(unix.RUSAGE_SELF, &usage); err != nil {
		panic(err) // it cannot fail for this process
	}
	return time.Duration(usage.Utime.Nano() + usage.Stime.Nano())
}

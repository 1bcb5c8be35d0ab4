package storage

import (
	"errors"
	"fmt"
	"os"
	"strings"
	"syscall"
	"time"
)

// lockFile is the file in a folder that is locked by the process that writes
// there, and says which one that is.
const lockFile = "lock"

// An InUseError says that another process writes to a folder.
type InUseError struct {
	Folder string
	// Owner says which process that is, "" if it is not known.
	Owner string
}

// Error names the folder and the other process.
func (e *InUseError) Error() string {
	owner := e.Owner
	if owner == "" {
		owner = "another process"
	}
	return fmt.Sprintf("%s is used by %s: stop it first, or choose another storage.path; two at a time would write over each other's data", e.Folder, owner)
}

// A Claim makes a folder one process's own. It ends with the process at the
// latest, however that ends.
type Claim struct{ file *os.File }

// Claim claims the folder, which is made if it is missing, for this process, which
// does what is said, such as "serve". If another one has it, the error is an
// InUseError. A database is never claimed: exporters share it.
func (l Location) Claim(doing string) (*Claim, error) {
	if l.folder == "" {
		return &Claim{}, nil
	}
	if err := os.MkdirAll(l.folder, 0o700); err != nil {
		return nil, err
	}
	file, err := os.OpenFile(l.Path(lockFile), os.O_RDWR|os.O_CREATE|syscall.O_NONBLOCK, 0o600)
	if err != nil {
		return nil, err
	}
	err = syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB)
	if errors.Is(err, syscall.EWOULDBLOCK) {
		err = &InUseError{Folder: l.folder, Owner: owner(file)}
	}
	if err != nil {
		_ = file.Close()
		return nil, err
	}
	host, _ := os.Hostname() // "" says enough
	text := fmt.Sprintf("process %d (%s) on host %q, since %s\n", os.Getpid(), doing, host, time.Now().UTC().Format(time.DateTime+" UTC"))
	// On a full disk the lock holds as well, without a name.
	if file.Truncate(0) == nil {
		_, _ = file.WriteAt([]byte(text), 0)
	}
	return &Claim{file}, nil
}

// owner returns what the owner of a lock has written into it.
func owner(file *os.File) string {
	const most = 300
	text := make([]byte, most)
	n, _ := file.ReadAt(text, 0) // what can be read
	line, _, _ := strings.Cut(string(text[:n]), "\n")
	return line
}

// Release ends the claim.
func (c *Claim) Release() error {
	if c == nil || c.file == nil {
		return nil
	}
	return errors.Join(c.file.Truncate(0), c.file.Close())
}

package prosody

import (
	"errors"
	"io/fs"
	"os"
	"time"

	"golang.org/x/sys/unix"

	"active_users_exporter/collector/files"
)

// folder is an open directory. Its files are reached through it by name, with
// system calls alone: a million of them are looked at for each refresh.
type folder struct {
	file *os.File
	fd   int
}

func openFolder(path string) (folder, error) {
	file, err := files.OpenFolder(path)
	if err != nil {
		return folder{}, err
	}
	return folder{file, int(file.Fd())}, nil
}

func (f folder) close() { _ = f.file.Close() }

// A version identifies the content of a file. Prosody writes a record to a new file
// and renames it, so each has its own inode and time.
type version struct {
	inode    uint64
	size     int64
	modified int64 // Unix nanoseconds
}

// version returns that of a file, or of the symbolic link if it is one. Errors
// do not name the file: it is named after a user.
func (f folder) version(name string) (version, error) {
	var info unix.Stat_t
	err := retryInterrupted(func() error { return unix.Fstatat(f.fd, name, &info, unix.AT_SYMLINK_NOFOLLOW) })
	return version{info.Ino, info.Size, time.Unix(info.Mtim.Unix()).UnixNano()}, err
}

// read reads a file into the buffer, which grows as needed, and returns its
// content. It follows no links, and does not wait for pipes.
func (f folder) read(name string, buffer *[]byte) (content []byte, err error) {
	var fd int
	err = retryInterrupted(func() (err error) {
		fd, err = unix.Openat(f.fd, name, unix.O_RDONLY|unix.O_NONBLOCK|unix.O_NOFOLLOW|unix.O_CLOEXEC, 0)
		return err
	})
	if err != nil {
		return nil, err
	}
	defer func() { _ = unix.Close(fd) }()
	for n := 0; ; {
		var m int
		if err := retryInterrupted(func() (err error) { m, err = unix.Read(fd, (*buffer)[n:]); return err }); err != nil {
			return nil, err
		}
		n += m
		switch {
		case m == 0:
			return (*buffer)[:n], nil
		case n > maxRecord:
			return nil, errTooLarge
		case n == len(*buffer):
			*buffer = append(*buffer, make([]byte, len(*buffer))...)
		}
	}
}

// maxRecord is far above the size of any record that is read here; what is
// larger is damaged, or not Prosody's.
const maxRecord = 1 << 20

var errTooLarge = errors.New("larger than 1 MiB")

// retryInterrupted repeats a system call that a signal has interrupted.
func retryInterrupted(call func() error) error {
	for {
		if err := call(); !errors.Is(err, unix.EINTR) {
			return err
		}
	}
}

// isSystem says that the system failed, and not the file: no more files may be
// open, memory ran out, a disk or a network does not answer.
func isSystem(err error) bool {
	for _, e := range []error{unix.EMFILE, unix.ENFILE, unix.ENOMEM, unix.EIO, unix.ESTALE, unix.ETIMEDOUT} {
		if errors.Is(err, e) {
			return true
		}
	}
	return false
}

// isGone says that a file is no longer there: its user was deleted.
func isGone(err error) bool { return errors.Is(err, fs.ErrNotExist) }

// isNoFolder says that there is no folder of that name: nothing, a file, a pipe, or
// a symbolic link that leads nowhere.
func isNoFolder(err error) bool {
	return isGone(err) || errors.Is(err, unix.ENOTDIR) || errors.Is(err, unix.ELOOP)
}

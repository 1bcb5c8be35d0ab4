// Package files opens what chat servers and operators have written, without ever
// waiting for it. A plain open of a named pipe, or of some devices, blocks until
// somebody writes to it, and no context ends that.
package files

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"slices"
	"strings"

	"golang.org/x/sys/unix"
)

// ErrNotRegular says that something else than a regular file has the name: a folder,
// a pipe, a socket, a device.
var ErrNotRegular = errors.New("not a regular file")

// ErrTooLarge says that a file holds more than what is asked for can hold.
var ErrTooLarge = errors.New("larger than such a file can be")

// Open opens a regular file for reading, at the end of symbolic links if need be.
func Open(path string) (*os.File, fs.FileInfo, error) {
	file, err := os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_NOCTTY, 0)
	if errors.Is(err, unix.ENXIO) { // a socket
		return nil, nil, &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		return nil, nil, err
	}
	info, err := file.Stat()
	if err == nil && !info.Mode().IsRegular() {
		err = &fs.PathError{Op: "open", Path: path, Err: ErrNotRegular}
	}
	if err != nil {
		_ = file.Close()
		return nil, nil, err
	}
	return file, info, nil
}

// Read returns the content of a regular file of at most the given number of bytes,
// and the time of its last modification with what else is known of it.
func Read(path string, most int64) ([]byte, fs.FileInfo, error) {
	file, info, err := Open(path)
	if err != nil {
		return nil, nil, err
	}
	defer func() { _ = file.Close() }()
	content, err := io.ReadAll(io.LimitReader(file, most+1)) // it may grow meanwhile
	if err == nil && int64(len(content)) > most {
		err = &fs.PathError{Op: "read", Path: path, Err: ErrTooLarge}
	}
	return content, info, err
}

// OpenFolder opens a folder. For whatever else has the name, the error is
// unix.ENOTDIR.
func OpenFolder(path string) (*os.File, error) {
	return os.OpenFile(path, os.O_RDONLY|unix.O_NONBLOCK|unix.O_DIRECTORY, 0)
}

// ReadFolder returns what is in a folder, in the order of names.
func ReadFolder(path string) ([]fs.DirEntry, error) {
	folder, err := OpenFolder(path)
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	entries, err := folder.ReadDir(-1)
	slices.SortFunc(entries, func(a, b fs.DirEntry) int { return strings.Compare(a.Name(), b.Name()) })
	return entries, err
}

// maxPassword is far above the size of any password.
const maxPassword = 64 << 10

// ReadPassword returns what a file holds, without the line end behind it.
func ReadPassword(path string) (string, error) {
	content, _, err := Read(path, maxPassword)
	if err != nil {
		return "", fmt.Errorf("read the password: %w", err)
	}
	return strings.TrimRight(string(content), "\r\n"), nil
}

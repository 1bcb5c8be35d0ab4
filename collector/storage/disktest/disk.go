// Package disktest is for tests alone: it stands between SQLite and the disk. It
// makes a write fail, and writes down what SQLite does, so that the files can be made
// again as a power cut would have left them.
package disktest

import (
	"path/filepath"
	"slices"
	"sync"
	"testing"
	"unsafe"

	"modernc.org/libc"
	sqlite3 "modernc.org/sqlite/lib"
)

// Kind is what SQLite asks of the disk.
type Kind string

// What is noted and can fail. What is read is not.
const (
	Write    Kind = "write"
	Truncate Kind = "truncate"
	Sync     Kind = "sync"
	Delete   Kind = "delete"
)

// An Operation changes the disk.
type Operation struct {
	Kind   Kind
	File   string // without folder
	Offset int64  // of a write; the new size for a truncation
	Data   []byte // that is written
}

// A Disk is what SQLite in this process takes for the disk, until the test ends. All
// databases must be opened after it is made and closed before the test ends.
type Disk struct {
	mutex      sync.Mutex
	operations []Operation
	failFrom   int // the number of the first operation to fail, 0 for none
	failAll    bool
	code       int32 // what fails with

	// What is referred to from SQLite's memory, which the collector of garbage does
	// not look at.
	alive []any
}

// The functions of SQLite's that are replaced (sqlite3.h, sqlite3_vfs and
// sqlite3_io_methods).
type (
	openFunc     = func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32
	deleteFunc   = func(tls *libc.TLS, vfs, name uintptr, syncDirectory int32) int32
	writeFunc    = func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32
	truncateFunc = func(tls *libc.TLS, file uintptr, size int64) int32
	syncFunc     = func(tls *libc.TLS, file uintptr, flags int32) int32
)

// New returns the Disk of this process. Tests that use one cannot run in parallel.
func New(tb testing.TB) *Disk {
	tb.Helper()
	d := &Disk{}
	tls := libc.NewTLS()
	tb.Cleanup(tls.Close)
	at := sqlite3.Xsqlite3_vfs_find(tls, 0)
	if at == 0 {
		tb.Fatal("SQLite has no VFS")
	}
	vfs := (*sqlite3.Tsqlite3_vfs)(pointer(at))
	open, remove := vfs.FxOpen, vfs.FxDelete
	tb.Cleanup(func() { vfs.FxOpen, vfs.FxDelete = open, remove })
	vfs.FxOpen = keep[openFunc](d, func(tls *libc.TLS, vfs, name, file uintptr, flags int32, outFlags uintptr) int32 {
		code := call[openFunc](open)(tls, vfs, name, file, flags, outFlags)
		if code == sqlite3.SQLITE_OK && name != 0 {
			d.opened(tls, file, filepath.Base(libc.GoString(name)))
		}
		return code
	})
	vfs.FxDelete = keep[deleteFunc](d, func(tls *libc.TLS, vfs, name uintptr, syncDirectory int32) int32 {
		if code := d.note(Operation{Kind: Delete, File: filepath.Base(libc.GoString(name))}); code != sqlite3.SQLITE_OK {
			return code
		}
		return call[deleteFunc](remove)(tls, vfs, name, syncDirectory)
	})
	return d
}

// opened puts the Disk between SQLite and a file.
func (d *Disk) opened(tls *libc.TLS, at uintptr, name string) {
	base := (*sqlite3.Tsqlite3_file)(pointer(at))
	first := *(*sqlite3.Tsqlite3_io_methods)(pointer(base.FpMethods))
	methods := first
	methods.FxWrite = keep[writeFunc](d, func(tls *libc.TLS, file, data uintptr, size int32, offset int64) int32 {
		content := slices.Clone(unsafe.Slice((*byte)(pointer(data)), size))
		if code := d.note(Operation{Write, name, offset, content}); code != sqlite3.SQLITE_OK {
			return code
		}
		return call[writeFunc](first.FxWrite)(tls, file, data, size, offset)
	})
	methods.FxTruncate = keep[truncateFunc](d, func(tls *libc.TLS, file uintptr, size int64) int32 {
		if code := d.note(Operation{Truncate, name, size, nil}); code != sqlite3.SQLITE_OK {
			return code
		}
		return call[truncateFunc](first.FxTruncate)(tls, file, size)
	})
	methods.FxSync = keep[syncFunc](d, func(tls *libc.TLS, file uintptr, flags int32) int32 {
		if code := d.note(Operation{Kind: Sync, File: name}); code != sqlite3.SQLITE_OK {
			return code
		}
		return call[syncFunc](first.FxSync)(tls, file, flags)
	})
	// SQLite follows this pointer, and what lies in Go's memory it must not (checkptr).
	base.FpMethods = libc.Xcalloc(tls, 1, libc.Tsize_t(unsafe.Sizeof(methods)))
	*(*sqlite3.Tsqlite3_io_methods)(pointer(base.FpMethods)) = methods
}

// note writes an operation down, or returns the code with which it fails.
func (d *Disk) note(o Operation) int32 {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.operations = append(d.operations, o)
	n := len(d.operations)
	if d.failFrom == 0 || n < d.failFrom || n > d.failFrom && !d.failAll {
		return sqlite3.SQLITE_OK
	}
	d.operations[n-1].Kind += ", which failed"
	return d.code
}

// Begin forgets what was noted, and lets nothing fail.
func (d *Disk) Begin() {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.operations, d.failFrom = nil, 0
}

// Fail lets the n-th operation from now on fail, and those after it as well if all
// is set: as on a full disk, or on one that is broken.
func (d *Disk) Fail(n int, all, full bool) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.operations, d.failFrom, d.failAll = nil, n, all
	d.code = sqlite3.SQLITE_IOERR
	if full {
		d.code = sqlite3.SQLITE_FULL
	}
}

// Operations returns what was noted since Begin or Fail.
func (d *Disk) Operations() []Operation {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	return slices.Clone(d.operations)
}

// pointer is the address of something in SQLite's memory.
func pointer(at uintptr) unsafe.Pointer { return *(*unsafe.Pointer)(unsafe.Pointer(&at)) }

// call returns the function at an address.
func call[F any](at uintptr) F { return *(*F)(unsafe.Pointer(&struct{ uintptr }{at})) }

// keep returns the address of a function, which lives as long as the Disk.
func keep[F any](d *Disk, f F) uintptr {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.alive = append(d.alive, &f)
	return *(*uintptr)(unsafe.Pointer(&f))
}

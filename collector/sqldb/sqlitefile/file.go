// Package sqlitefile reads the rows of a table straight from an SQLite file, as
// sqlite.org/fileformat2.html describes it, without SQLite's library, and
// twenty times as fast. It knows tables with rowids and text in UTF-8, and nothing of
// indexes, of statements, or of what stands in a -wal or -journal file.
//
// It trusts nothing in the file: whatever its bytes are, reading it ends, stays
// within its size in time and memory, and does not panic. A file that somebody
// writes to meanwhile reads as malformed or as anything else: the caller must
// find that out.
package sqlitefile

import (
	"encoding/binary"
	"errors"
	"fmt"
	"io"
)

var (
	// ErrMalformed is in the errors about a file that is not what SQLite
	// writes.
	ErrMalformed = errors.New("the database is malformed")
	// ErrUnsupported is that of a file that is for SQLite's library.
	ErrUnsupported = errors.New("not a database in UTF-8 of a known format")
)

func malformed(page uint32, format string, args ...any) error {
	return fmt.Errorf("%w: page %d: %s", ErrMalformed, page, fmt.Sprintf(format, args...))
}

// The header of a file (section 1.3); numbers are big-endian.
const (
	headerSize     = 100
	headerMagic    = "SQLite format 3\x00"
	headerPageSize = 16 // 1 for 65536
	headerReserved = 20 // bytes at the end of each page
	headerEncoding = 56 // 1 for UTF-8
)

// runSize is how much is read at once where pages follow each other in the
// file, in bytes. Four times as much takes as long.
const runSize = 256 << 10

// nearby is how many pages may be passed over for the next one to count as
// following: those of indexes stand in between.
const nearby = 8

// A File is an SQLite file, for one goroutine.
type File struct {
	content  io.ReaderAt
	pageSize int
	usable   int    // bytes of a page
	pages    uint32 // in the file

	window []byte // pages as read, from the page first on
	first  uint32
	run    int    // how many pages the last read took
	last   uint32 // the page asked for last
}

// New reads the header of a file of the given size. The error is ErrUnsupported
// if the file is not for this package.
func New(content io.ReaderAt, size int64) (*File, error) {
	f := &File{content: content}
	header := make([]byte, headerSize)
	if _, err := content.ReadAt(header, 0); err != nil && !errors.Is(err, io.EOF) {
		return nil, err
	}
	f.pageSize = int(binary.BigEndian.Uint16(header[headerPageSize:]))
	if f.pageSize == 1 {
		f.pageSize = 65536
	}
	f.usable = f.pageSize - int(header[headerReserved])
	const smallestUsable = 480
	if string(header[:len(headerMagic)]) != headerMagic || f.pageSize&(f.pageSize-1) != 0 || f.usable < smallestUsable ||
		binary.BigEndian.Uint32(header[headerEncoding:]) != 1 {
		return nil, ErrUnsupported
	}
	const mostPages = 1<<32 - 2
	f.pages = uint32(min(size/int64(f.pageSize), mostPages))
	f.window = make([]byte, 0, max(runSize, f.pageSize))
	return f, nil
}

// page returns a page, which is valid until the next call. Pages that follow
// each other are read many at once, others alone.
func (f *File) page(number uint32) ([]byte, error) {
	if number < 1 || number > f.pages {
		return nil, malformed(number, "there is no such page")
	}
	held := uint32(len(f.window) / f.pageSize)
	follows := number > f.last && number-f.last <= nearby
	f.last = number
	if number < f.first || number-f.first >= held {
		f.run *= 2
		if !follows || f.run == 0 {
			f.run = 1
		}
		f.run = min(f.run, cap(f.window)/f.pageSize, int(f.pages-number)+1)
		f.first, f.window = number, f.window[:f.run*f.pageSize]
		if err := f.readAt(f.window, number); err != nil {
			f.window = f.window[:0]
			return nil, err
		}
	}
	from := int(number-f.first) * f.pageSize
	return f.window[from : from+f.usable], nil
}

// readAt fills a buffer from the beginning of a page on.
func (f *File) readAt(into []byte, number uint32) error {
	_, err := f.content.ReadAt(into, int64(number-1)*int64(f.pageSize))
	if errors.Is(err, io.EOF) {
		return malformed(number, "the file ends before it")
	}
	return err
}

package prosody

import (
	"context"
	"errors"
	"fmt"
	"io"
	"io/fs"
	"os"
	"runtime"
	"sync"
	"syscall"

	"golang.org/x/sync/errgroup"
)

// store is one folder of records, one file for each user.
type store struct {
	path   string
	exists bool
	users  []string // as file names without suffix
}

// errNotFolder is how the system says that a file is no folder.
const errNotFolder = syscall.ENOTDIR

// maxRecord is far above the size of any record that is read here; what is
// larger is damaged, or not Prosody's.
const maxRecord = 1 << 20

// batch is how many files a worker reads before it asks for more.
const batch = 256

// readAll reads the given users' records with parse and returns the results in
// the same order. Users without a record (it may have been deleted meanwhile)
// and those whose record is damaged have the zero value.
func readAll[T any](ctx context.Context, s store, users []string, d *damage, parse func([]byte) (T, error)) ([]T, error) {
	results := make([]T, len(users))
	if len(users) == 0 {
		return results, nil
	}
	folder, err := os.OpenRoot(s.path)
	if errors.Is(err, fs.ErrNotExist) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	defer func() { _ = folder.Close() }()
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(users); from += batch {
		to := min(from+batch, len(users))
		work.Go(func() error {
			buffer := make([]byte, 4096)
			for i := from; i < to; i++ {
				if err := ctx.Err(); err != nil {
					return err
				}
				content, err := readRecord(folder, users[i]+recordSuffix, &buffer)
				if err == nil {
					results[i], err = parse(content)
				}
				if err != nil && !errors.Is(err, fs.ErrNotExist) {
					d.add(folder, users[i]+recordSuffix, err)
				}
			}
			return nil
		})
	}
	return results, work.Wait()
}

// readRecord reads a file into the buffer, which grows as needed. Opening
// does not block, whatever kind of file it is.
func readRecord(folder *os.Root, name string, buffer *[]byte) ([]byte, error) {
	file, err := folder.OpenFile(name, os.O_RDONLY|syscall.O_NONBLOCK, 0)
	if err != nil {
		return nil, plain(err)
	}
	defer func() { _ = file.Close() }()
	for n := 0; ; {
		m, err := file.Read((*buffer)[n:])
		n += m
		switch {
		case errors.Is(err, io.EOF):
			return (*buffer)[:n], nil
		case err != nil:
			return nil, plain(err)
		case n > maxRecord:
			return nil, errors.New("larger than 1 MiB")
		case n == len(*buffer):
			*buffer = append(*buffer, make([]byte, len(*buffer))...)
		}
	}
}

// plain drops the file's name, which is a user's, from an error.
func plain(err error) error {
	if path, ok := errors.AsType[*fs.PathError](err); ok {
		return fmt.Errorf("%s: %w", path.Op, path.Err)
	}
	return err
}

// damage collects the files that could not be read. It may be used by several
// goroutines.
type damage struct {
	mutex     sync.Mutex
	files     int
	sentences []string
}

// maxSentences keeps a broken disk from filling the log.
const maxSentences = 3

// add notes a damaged file. Its name is a user's name, so the sentence says
// how to find it without telling it.
func (d *damage) add(folder *os.Root, name string, err error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.files++
	if d.files > maxSentences {
		return
	}
	inode := uint64(0)
	if info, err := folder.Lstat(name); err == nil {
		if system, ok := info.Sys().(*syscall.Stat_t); ok {
			inode = system.Ino
		}
	}
	d.sentences = append(d.sentences, fmt.Sprintf("damaged record left out: %v (find %s -inum %d)", err, folder.Name(), inode))
}

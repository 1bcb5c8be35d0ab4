package prosody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"
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

// batch is how many files a worker reads before it asks for more.
const batch = 256

// readAll reads the given users' records with parse and returns the results in
// the same order. Users without a record (it may have been deleted meanwhile)
// and those whose record is damaged have the zero value. Files that are as
// they were when m learned of them are not opened.
//
// A file that may not be read is as good as damaged. But if that is all there
// are, the exporter lacks a permission, and nobody must take that for an empty
// server: then, and when the system fails, there is an error.
func readAll[T any](ctx context.Context, s store, users []string, m *memory[T], d *damage, parse func([]byte) (T, error)) ([]T, error) {
	results := make([]T, len(users))
	if len(users) == 0 {
		return results, nil
	}
	folder, err := openFolder(s.path)
	if isGone(err) {
		return results, nil
	}
	if err != nil {
		return nil, err
	}
	defer folder.close()
	fresh := make([]version, len(users)) // of the files that were opened
	var good, denied atomic.Bool
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
				file := users[i] + recordSuffix
				v, err := folder.version(file)
				if err == nil {
					var known bool
					if results[i], known = m.recall(v); known {
						good.Store(true)
						continue
					}
					var content []byte
					if content, err = folder.read(file, &buffer); err == nil {
						results[i], err = parse(content)
					}
				}
				switch {
				case err == nil:
					good.Store(true)
					fresh[i] = v
				case isGone(err):
				case isSystem(err):
					return fmt.Errorf("read a record in %s: %w", s.path, err)
				default:
					denied.CompareAndSwap(false, errors.Is(err, fs.ErrPermission))
					d.add(s.path, v, err)
				}
			}
			return nil
		})
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	if denied.Load() && !good.Load() {
		return nil, fmt.Errorf("read the records in %s: %w (add the exporter's user to the group that may read them)", s.path, fs.ErrPermission)
	}
	d.good = d.good || good.Load()
	m.learn(fresh, results)
	return results, nil
}

// damage collects the files that could not be read. Several goroutines may add
// to it.
type damage struct {
	good      bool // another file could be read
	mutex     sync.Mutex
	files     int
	sentences []string
}

// total says that nothing could be read: what was in it is not known.
func (d *damage) total() bool { return d.files > 0 && !d.good }

// maxSentences keeps a broken disk from filling the log.
const maxSentences = 3

// add notes a damaged file. Its name is a user's name, so the sentence says
// how to find it without telling it.
func (d *damage) add(folder string, v version, err error) {
	d.mutex.Lock()
	defer d.mutex.Unlock()
	d.files++
	if d.files <= maxSentences {
		d.sentences = append(d.sentences, fmt.Sprintf("damaged record left out: %v (find %s -inum %d)", err, folder, v.inode))
	}
}

package prosody

import (
	"context"
	"errors"
	"fmt"
	"io/fs"
	"runtime"
	"sync"
	"sync/atomic"

	"golang.org/x/sync/errgroup"
)

// store is one folder of records, one file for each user.
type store struct {
	path   string
	exists bool
	users  []string // as file names without suffix
}

// batch is how many files a worker reads before it asks for more.
const batch = 256

// readAll reads the given users' records with parse and returns the results in
// the same order. Users without a record (it may have been deleted meanwhile)
// have the zero value, those with a damaged record what parse makes of it. Files
// that have not changed since they were put into the cache are not opened.
//
// A file that may not be read counts as damaged. But if no file may be read, the
// exporter lacks a permission, and that must not look like a server without users:
// then, and when the system fails, readAll returns an error.
func readAll[T any](ctx context.Context, s store, users []string, cache *fileCache[T], d *damage, parse func([]byte) (T, error)) ([]T, error) {
	results := make([]T, len(users))
	if len(users) == 0 {
		return results, nil
	}
	folder, err := openFolder(s.path)
	switch {
	case isNoFolder(err): // it was there when it was listed
		return results, nil
	case err != nil:
		return nil, err
	}
	defer folder.close()
	reader := &storeReader[T]{path: s.path, folder: folder, parse: parse, cache: cache, damage: d}
	opened := make([]version, len(users)) // of the files that are not in the cache yet
	work, ctx := errgroup.WithContext(ctx)
	work.SetLimit(runtime.GOMAXPROCS(0))
	for from := 0; from < len(users); from += batch {
		to := min(from+batch, len(users))
		work.Go(func() error { return reader.readSome(ctx, users[from:to], results[from:to], opened[from:to]) })
	}
	if err := work.Wait(); err != nil {
		return nil, err
	}
	if reader.anyDenied.Load() && !reader.anyGood.Load() {
		return nil, fmt.Errorf("read the records in %s: %w (add the exporter's user to the group that may read them)", s.path, fs.ErrPermission)
	}
	d.good = d.good || reader.anyGood.Load()
	cache.put(opened, results)
	return results, nil
}

// storeReader is one readAll under way. Several goroutines use it.
type storeReader[T any] struct {
	path   string
	folder folder
	parse  func([]byte) (T, error)
	cache  *fileCache[T]
	damage *damage
	// anyGood says that a record is known, anyDenied that one may not be read.
	anyGood, anyDenied atomic.Bool
}

// readSome reads the records of some users into results, and notes the versions
// of the files that it had to open. It fails only if the system does.
func (r *storeReader[T]) readSome(ctx context.Context, users []string, results []T, opened []version) error {
	buffer := make([]byte, 4096)
	for i, user := range users {
		if err := ctx.Err(); err != nil {
			return err
		}
		result, file, cached, err := r.readOne(user+recordSuffix, &buffer)
		results[i] = result
		switch {
		case err == nil:
			r.anyGood.Store(true)
			if !cached {
				opened[i] = file
			}
		case isGone(err):
		case isSystem(err):
			return fmt.Errorf("read a record in %s: %w", r.path, err)
		default:
			if errors.Is(err, fs.ErrPermission) {
				r.anyDenied.Store(true)
			}
			r.damage.add(r.path, file, err)
		}
	}
	return nil
}

// readOne returns what a file says, from the cache if it has not changed.
func (r *storeReader[T]) readOne(name string, buffer *[]byte) (result T, file version, cached bool, err error) {
	if file, err = r.folder.version(name); err != nil {
		return result, file, false, err
	}
	if result, cached = r.cache.get(file); cached {
		return result, file, true, nil
	}
	content, err := r.folder.read(name, buffer)
	if err != nil {
		return result, file, false, err
	}
	result, err = r.parse(content)
	return result, file, false, err
}

// damage collects the files that could not be read. Several goroutines may add
// to it.
type damage struct {
	good      bool // another file could be read
	mutex     sync.Mutex
	files     int
	sentences []string
}

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

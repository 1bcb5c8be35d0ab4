package disktest

import (
	"maps"
	"math/rand/v2"
	"os"
	"path/filepath"
	"slices"
	"testing"
)

// Files are the contents of the files of a folder, by name.
type Files map[string][]byte

// Read returns the files of a folder as they are, without those that SQLite makes
// again after a power cut.
func Read(tb testing.TB, folder string) Files {
	tb.Helper()
	files := make(Files)
	entries, err := os.ReadDir(folder)
	if err != nil {
		tb.Fatal(err)
	}
	for _, entry := range entries {
		if filepath.Ext(entry.Name()) == ".db-shm" {
			continue
		}
		content, err := os.ReadFile(filepath.Join(folder, entry.Name()))
		if err != nil {
			tb.Fatal(err)
		}
		files[entry.Name()] = content
	}
	return files
}

// Write makes a folder with these files and returns its path.
func (f Files) Write(tb testing.TB) (folder string) {
	tb.Helper()
	folder, err := os.MkdirTemp(tb.TempDir(), "")
	if err != nil {
		tb.Fatal(err)
	}
	for name, content := range f {
		if err := os.WriteFile(filepath.Join(folder, name), content, 0o600); err != nil {
			tb.Fatal(err)
		}
	}
	return folder
}

// apply does to the files what an operation does to the disk. If it is a
// write, only the first bytes are written.
func (f Files) apply(o Operation, bytes int) {
	switch content := f[o.File]; o.Kind {
	case Sync: // changes nothing
	case Delete:
		delete(f, o.File)
	case Truncate:
		f[o.File] = resized(content, o.Offset)
	case Write:
		if end := o.Offset + int64(bytes); int64(len(content)) < end {
			content = resized(content, end)
		} else {
			content = slices.Clone(content)
		}
		copy(content[o.Offset:], o.Data[:bytes])
		f[o.File] = content
	}
}

func resized(content []byte, size int64) []byte {
	other := make([]byte, size)
	copy(other, content)
	return other
}

// sector is what a disk writes whole.
const sector = 512

// PowerCuts calls use with the files as a power cut may leave them: before each
// operation and after the last one, of those that were there at first. What was
// synced is on the disk; a deletion is as well once anything was synced after it, for
// file systems keep the order of such. What was written since is there in full, not at
// all, in part by chance, or in full with the newest write torn.
func PowerCuts(before Files, operations []Operation, seed uint64, use func(done int, what string, files Files)) {
	chance := rand.New(rand.NewPCG(seed, 1))
	durable := maps.Clone(before) // what was synced
	var pending []Operation       // what was not, in order
	for done := 0; ; done++ {
		all := maps.Clone(durable)
		for _, o := range pending {
			all.apply(o, len(o.Data))
		}
		use(done, "all is written", all)
		if len(pending) > 0 {
			use(done, "nothing is written", maps.Clone(durable))
			for range 2 {
				some := maps.Clone(durable)
				for _, o := range pending {
					if chance.IntN(2) == 0 {
						some.apply(o, len(o.Data))
					}
				}
				use(done, "a part is written", some)
			}
		}
		if done == len(operations) {
			return
		}
		next := operations[done]
		if next.Kind == Write && len(next.Data) > sector {
			torn := maps.Clone(all)
			torn.apply(next, sector*(1+chance.IntN(len(next.Data)/sector)))
			use(done, "the newest page is torn", torn)
		}
		pending = append(pending, next)
		if next.Kind == Sync {
			pending = slices.DeleteFunc(pending, func(o Operation) bool {
				if o.File != next.File && o.Kind != Delete {
					return false
				}
				durable.apply(o, len(o.Data))
				return true
			})
		}
	}
}

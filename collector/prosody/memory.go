package prosody

// memory is what was read of a store's files, by inode: it holds no names.
// Damaged files are not remembered, and so told of at each refresh.
type memory[T any] struct {
	files map[uint64]remembered[T]
}

type remembered[T any] struct {
	version
	result T
}

// hostMemory is what is remembered of one host's stores.
type hostMemory struct {
	logins, activities, events memory[float64]
	states                     memory[accountState]
	uses                       memory[[]clientUse]
}

// memoryOf returns the memory of a host, which is empty at first.
func (r *Reader) memoryOf(host string) *hostMemory {
	m, ok := r.memory[host]
	if !ok {
		m = &hostMemory{}
		r.memory[host] = m
	}
	return m
}

// recall returns the result of reading the file before, if it has not changed.
// It may be called by several goroutines, but not beside learn.
func (m *memory[T]) recall(v version) (result T, known bool) {
	f, ok := m.files[v.inode]
	if !ok || f.version != v {
		return result, false
	}
	return f.result, true
}

// learn adds the results of the files that were opened; the others have no
// version. Once half of what is known may be of files that are gone, it starts
// anew.
func (m *memory[T]) learn(files []version, results []T) {
	if m.files == nil || len(m.files) > 2*len(files)+1000 {
		m.files = make(map[uint64]remembered[T], len(files))
	}
	for i, v := range files {
		if v != (version{}) {
			m.files[v.inode] = remembered[T]{v, results[i]}
		}
	}
}

package prosody

// A fileCache holds what was read from a store's files, by inode: it holds no
// names. It does not hold damaged files, so that each refresh reports them again.
type fileCache[T any] struct {
	files map[uint64]cachedFile[T]
}

type cachedFile[T any] struct {
	version
	result T
}

// hostCaches are those of one host's stores.
type hostCaches struct {
	logins, activities, events, created fileCache[float64]
	states                              fileCache[accountState]
	uses                                fileCache[[]clientUse]
}

// cachesOf returns those of a host, which are empty at first.
func (r *Reader) cachesOf(host string) *hostCaches {
	c, ok := r.caches[host]
	if !ok {
		c = &hostCaches{}
		r.caches[host] = c
	}
	return c
}

// get returns the result of reading the file before, if it has not changed.
// Several goroutines may call it at once, but not while put runs.
func (c *fileCache[T]) get(v version) (result T, known bool) {
	f, ok := c.files[v.inode]
	if !ok || f.version != v {
		return result, false
	}
	return f.result, true
}

// put adds the results of the files that were opened; the others have no version.
// Once half of the cache may be for files that are gone, it starts from empty.
func (c *fileCache[T]) put(files []version, results []T) {
	if c.files == nil || len(c.files) > 2*len(files)+1000 {
		c.files = make(map[uint64]cachedFile[T], len(files))
	}
	for i, v := range files {
		if v != (version{}) {
			c.files[v.inode] = cachedFile[T]{v, results[i]}
		}
	}
}

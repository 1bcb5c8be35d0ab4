package lua

import "math"

// A Table is a table of Lua's. Its order of iteration is that of insertion,
// numbers from 1 on first.
type Table struct {
	array   []Value // what is under 1, 2, 3 …; the last is never nil
	index   map[Value]int
	entries []entry
	free    int // entries without a value
	meta    *Table
}

type entry struct{ key, value Value }

// NewTable returns an empty table.
func NewTable() *Table { return &Table{} }

// SetMeta sets the metatable.
func (t *Table) SetMeta(meta *Table) { t.meta = meta }

// normal is the key under which a value is found: floats without a fraction are
// integers.
func normal(key Value) Value {
	if f, ok := key.(float64); ok {
		if i, ok := floatToInteger(f); ok {
			return i
		}
	}
	return key
}

// Get returns the value of a key, nil if there is none. No metamethod is
// called.
func (t *Table) Get(key Value) Value {
	key = normal(key)
	if i, ok := key.(int64); ok && i >= 1 && i <= int64(len(t.array)) {
		return t.array[i-1]
	}
	if at, ok := t.index[key]; ok {
		return t.entries[at].value
	}
	return nil
}

// Set sets the value of a key, which is neither nil nor NaN. No metamethod is
// called.
func (t *Table) Set(key, value Value) {
	key = normal(key)
	if i, ok := key.(int64); ok && i >= 1 && i <= int64(len(t.array))+1 {
		t.setArray(i, value)
		return
	}
	at, known := t.index[key]
	switch {
	case known:
		if t.entries[at].value != nil && value == nil {
			t.free++
		} else if t.entries[at].value == nil && value != nil {
			t.free--
		}
		t.entries[at].value = value
	case value != nil:
		t.insert(key, value)
	}
}

func (t *Table) insert(key, value Value) {
	if t.free > 16 && t.free > len(t.entries)/2 {
		t.compact()
	}
	if t.index == nil {
		t.index = make(map[Value]int)
	}
	t.index[key] = len(t.entries)
	t.entries = append(t.entries, entry{key, value})
}

func (t *Table) compact() {
	kept := t.entries[:0]
	for at, e := range t.entries {
		if e.value == nil {
			if t.index[e.key] == at {
				delete(t.index, e.key)
			}
			continue
		}
		t.index[e.key] = len(kept)
		kept = append(kept, e)
	}
	t.entries, t.free = kept, 0
}

func (t *Table) setArray(i int64, value Value) {
	switch {
	case i <= int64(len(t.array)):
		t.array[i-1] = value
		for len(t.array) > 0 && t.array[len(t.array)-1] == nil {
			t.array = t.array[:len(t.array)-1]
		}
	case value == nil:
		t.remove(i)
	default:
		t.remove(i)
		t.array = append(t.array, value)
		t.takeOver()
	}
}

// takeOver moves what was given out of order to the end of the array.
func (t *Table) takeOver() {
	for len(t.index) > 0 {
		next := int64(len(t.array)) + 1
		v := t.Get(next)
		if v == nil {
			break
		}
		t.remove(next)
		t.array = append(t.array, v)
	}
}

func (t *Table) remove(key int64) {
	if at, ok := t.index[key]; ok && t.entries[at].value != nil {
		t.entries[at].value = nil
		t.free++
		delete(t.index, key)
	}
}

// setList sets what a constructor gives without keys, behind all others.
func (t *Table) setList(values []Value) {
	for i := range values {
		t.Set(int64(i)+1, nil)
	}
	for len(values) > 0 && values[len(values)-1] == nil {
		values = values[:len(values)-1]
	}
	if len(values) > 0 {
		t.array = append(values, t.array[min(len(values), len(t.array)):]...)
		t.takeOver()
	}
}

// Len returns a border of the table, which is what the operator # gives
// without metamethod.
func (t *Table) Len() int64 { return int64(len(t.array)) }

// size is the number of places in use, for the count of memory.
func (t *Table) size() int { return len(t.array) + len(t.entries) }

// Next returns the key and value that follow a key, nil for the first. The key
// is nil at the end; ok is false if the given key is not in the table.
func (t *Table) Next(key Value) (next, value Value, ok bool) {
	key = normal(key)
	from := 0
	i, number := key.(int64)
	at, known := t.index[key]
	switch {
	case key == nil:
	case number && i >= 1 && i <= int64(len(t.array)):
		from = int(i)
	case known:
		return t.nextEntry(at + 1)
	case number && i >= 1 && i <= math.MaxInt32:
		from = len(t.array) // it was the last and has been removed
	default:
		return nil, nil, false
	}
	for ; from < len(t.array); from++ {
		if t.array[from] != nil {
			return int64(from) + 1, t.array[from], true
		}
	}
	return t.nextEntry(0)
}

func (t *Table) nextEntry(from int) (key, value Value, ok bool) {
	for ; from < len(t.entries); from++ {
		if e := t.entries[from]; e.value != nil {
			return e.key, e.value, true
		}
	}
	return nil, nil, true
}

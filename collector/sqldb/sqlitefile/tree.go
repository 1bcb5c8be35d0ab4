package sqlitefile

import (
	"context"
	"encoding/binary"
	"math"
)

// Pages of a table's b-tree (section 1.6): a header, the places of the cells,
// which begin anywhere behind, and the cells.
const (
	leafType, interiorType             = 0x0d, 0x05
	leafHeaderSize, interiorHeaderSize = 8, 12
	pageCells                          = 3 // how many there are
	pageRightmost                      = 8 // the last child of an interior page

	// deepest is the depth of trees that SQLite itself would refuse; a table of
	// the largest file there can be has less.
	deepest = 20
)

// Scan calls use with each row of the table whose tree begins at the page root,
// in the order of rowids, and with the values of some columns, by their numbers
// from 0 in the order of the table. It ends with the error that use returns, or
// with that of ctx, or with one in which ErrMalformed is.
func (f *File) Scan(ctx context.Context, root uint32, columns []int, use func(*Row) error) error {
	s := &scan{File: f, use: use, budget: f.pages, rowid: math.MinInt64}
	s.row.scan = s
	s.row.want(columns)
	return s.tree(ctx, root, 0)
}

// scan is where a Scan is.
type scan struct {
	*File
	use    func(*Row) error
	row    Row
	budget uint32 // pages that may still be visited: none belongs to a table twice
	any    bool   // a row was there
	rowid  int64  // of the last one
}

// visit takes a page out of the budget, so that a circle of pages has an end.
func (s *scan) visit(number uint32) error {
	if s.budget == 0 {
		return malformed(number, "it is part of a circle")
	}
	s.budget--
	return nil
}

// tree reads a page and all that is below.
func (s *scan) tree(ctx context.Context, number uint32, depth int) error {
	if err := ctx.Err(); err != nil {
		return err
	}
	if depth > deepest {
		return malformed(number, "the tree is too deep")
	}
	if err := s.visit(number); err != nil {
		return err
	}
	page, err := s.page(number)
	if err != nil {
		return err
	}
	switch kind := page[0]; {
	case number == 1: // begins with the header of the file, and is never ours
		return malformed(number, "no part of this table")
	case kind == leafType:
		return s.leaf(page, number)
	case kind == interiorType:
		children, err := children(page, number)
		if err != nil {
			return err
		}
		for _, child := range children {
			if err := s.tree(ctx, child, depth+1); err != nil {
				return err
			}
		}
		return nil
	}
	return malformed(number, "not of a table")
}

// cells returns where the cells of a page begin, in their order.
func cells(page []byte, number uint32, header int) ([]byte, error) {
	n := int(binary.BigEndian.Uint16(page[pageCells:]))
	if header+2*n > len(page) {
		return nil, malformed(number, "%d cells have no room", n)
	}
	return page[header : header+2*n], nil
}

// children returns the pages below an interior page. Their keys are not looked
// at: the rows have them too.
func children(page []byte, number uint32) ([]uint32, error) {
	places, err := cells(page, number, interiorHeaderSize)
	if err != nil {
		return nil, err
	}
	pages := make([]uint32, 0, len(places)/2+1)
	for ; len(places) > 0; places = places[2:] {
		at := int(binary.BigEndian.Uint16(places))
		if at+4 > len(page) {
			return nil, malformed(number, "a cell is outside")
		}
		pages = append(pages, binary.BigEndian.Uint32(page[at:]))
	}
	return append(pages, binary.BigEndian.Uint32(page[pageRightmost:])), nil
}

// leaf calls use with each row on a leaf.
func (s *scan) leaf(page []byte, number uint32) error {
	places, err := cells(page, number, leafHeaderSize)
	if err != nil {
		return err
	}
	for ; len(places) > 0; places = places[2:] {
		at := int(binary.BigEndian.Uint16(places))
		if at < leafHeaderSize || at >= len(page) {
			return malformed(number, "a cell is outside")
		}
		if err := s.cell(page[at:], number); err != nil {
			return err
		}
	}
	return nil
}

// cell calls use with the row in a cell: the size of its payload, its rowid,
// the payload or its beginning, and then the first of the pages with the rest.
func (s *scan) cell(cell []byte, number uint32) error {
	size, n := varint(cell)
	rowid, m := varint(cell[n:])
	if n == 0 || m == 0 {
		return malformed(number, "a cell ends early")
	}
	if s.any && int64(rowid) <= s.rowid {
		return malformed(number, "rowids are not in order")
	}
	s.any, s.rowid = true, int64(rowid)
	cell = cell[n+m:]
	local := s.local(size)
	if local > len(cell) {
		return malformed(number, "a row ends early")
	}
	rest := uint32(0)
	if uint64(local) < size {
		if local+4 > len(cell) {
			return malformed(number, "a row ends early")
		}
		rest = binary.BigEndian.Uint32(cell[local:])
	}
	if err := s.row.begin(number, cell[:local], size, rest); err != nil {
		return err
	}
	if err := s.use(&s.row); err != nil {
		return err
	}
	return s.row.err
}

// local returns how much of a payload is on the leaf (section 1.6, "P", "X",
// "M" and "K").
func (s *scan) local(size uint64) int {
	most := s.usable - 35
	if size <= uint64(most) {
		return int(size)
	}
	least := (s.usable-12)*32/255 - 23
	if fits := least + int((size-uint64(least))%uint64(s.usable-4)); fits <= most {
		return fits
	}
	return least
}

// varint reads an integer of one to nine bytes, seven bits in each but the
// ninth, which has eight. It returns n = 0 if the bytes end before it does.
func varint(b []byte) (value uint64, n int) {
	if len(b) > 0 && b[0] < 0x80 {
		return uint64(b[0]), 1
	}
	for i, c := range b {
		if i == 8 {
			return value<<8 | uint64(c), 9
		}
		value = value<<7 | uint64(c&0x7f)
		if c < 0x80 {
			return value, i + 1
		}
	}
	return 0, 0
}

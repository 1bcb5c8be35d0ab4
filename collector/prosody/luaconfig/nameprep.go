package luaconfig

import (
	"strings"
	"unicode"
	"unicode/utf8"

	"golang.org/x/text/cases"
	"golang.org/x/text/unicode/norm"
)

// nameprep brings a domain into the form in which Prosody uses it (RFC 3491):
// without invisible characters, in small letters, in normal form KC. ok is false
// if it contains what no name may.
func nameprep(name string) (prepared string, ok bool) {
	if !utf8.ValidString(name) {
		return "", false
	}
	name = strings.Map(func(r rune) rune {
		if ignorable(r) {
			return -1
		}
		return r
	}, name)
	fold := cases.Fold()
	name = norm.NFKC.String(fold.String(norm.NFKC.String(fold.String(name))))
	return name, !strings.ContainsFunc(name, prohibited)
}

// ignorable: table B.1 of RFC 3454.
func ignorable(r rune) bool {
	switch r {
	case 0xad, 0x34f, 0x1806, 0x180b, 0x180c, 0x180d, 0x200b, 0x200c, 0x200d, 0x2060, 0xfeff:
		return true
	}
	return r >= 0xfe00 && r <= 0xfe0f
}

// prohibited: tables C.1.2, C.2.2 and C.3 to C.9 of RFC 3454.
func prohibited(r rune) bool {
	if r < 0x80 {
		return false
	}
	return unicode.In(r, unicode.Zs, unicode.Zl, unicode.Zp, unicode.Cc, unicode.Cf, unicode.Co, unicode.Cs) ||
		r >= 0xfff9 && r <= 0xffff || r&0xfffe == 0xfffe || r >= 0xfdd0 && r <= 0xfdef || r >= 0x2ff0 && r <= 0x2ffb || r == 0x340 || r == 0x341
}

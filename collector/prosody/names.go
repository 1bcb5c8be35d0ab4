package prosody

import (
	"net/url"
	"strings"
)

// Names of hosts and users are file names in which every byte but ASCII
// letters and digits is % and two lower-case hexadecimal digits
// (util.datamanager of Prosody 0.8 to 13): example%2ecom, j%c3%bcrgen.dat.

// decodeName returns the name behind a file name; false for a file name that
// Prosody does not write, and would not look at.
func decodeName(file string) (string, bool) {
	if file != "" && strings.IndexFunc(file, isEncoded) < 0 {
		return file, true
	}
	name, err := url.PathUnescape(file)
	return name, err == nil && name != "" && encodeName(name) == file
}

func encodeName(name string) string {
	const digits = "0123456789abcdef"
	file := make([]byte, 0, len(name)+16)
	for _, c := range []byte(name) {
		if isEncoded(rune(c)) {
			file = append(file, '%', digits[c>>4], digits[c&15])
		} else {
			file = append(file, c)
		}
	}
	return string(file)
}

// isEncoded says whether a byte of a name is written as % and digits.
func isEncoded(c rune) bool {
	return (c < '0' || c > '9') && (c < 'a' || c > 'z') && (c < 'A' || c > 'Z')
}

// recordSuffix ends the file name of every user's record; a record being
// written has ".dat~", lists have ".list".
const recordSuffix = ".dat"

// userOf returns the user of a record by its file name, still encoded: so the
// user's records in other stores are found without encoding again.
func userOf(file string) (string, bool) {
	user, ok := strings.CutSuffix(file, recordSuffix)
	return user, ok && user != ""
}

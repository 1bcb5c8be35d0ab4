package prosody

import "strings"

// Names of hosts and users are file names in which every byte but ASCII
// letters and digits is % and two hexadecimal digits (util.datamanager of
// Prosody 0.8 to 13): example%2ecom, j%c3%bcrgen.dat.

// decodeName returns the name behind a file name; false for a file name that
// Prosody does not write.
func decodeName(file string) (string, bool) {
	if !strings.Contains(file, "%") {
		return file, file != ""
	}
	name := make([]byte, 0, len(file))
	for i := 0; i < len(file); i++ {
		if file[i] != '%' {
			name = append(name, file[i])
			continue
		}
		if i+2 >= len(file) {
			return "", false
		}
		high, ok1 := hexDigit(file[i+1])
		low, ok2 := hexDigit(file[i+2])
		if !ok1 || !ok2 {
			return "", false
		}
		name = append(name, high<<4|low)
		i += 2
	}
	return string(name), true
}

func hexDigit(c byte) (byte, bool) {
	switch {
	case '0' <= c && c <= '9':
		return c - '0', true
	case 'a' <= c && c <= 'f':
		return c - 'a' + 10, true
	case 'A' <= c && c <= 'F':
		return c - 'A' + 10, true
	}
	return 0, false
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

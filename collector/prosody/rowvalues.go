package prosody

import (
	"bytes"
	"encoding/json"
	"errors"
	"strconv"
	"strings"
)

var errValue = errors.New("not what Prosody writes there")

// timestampIn returns the field timestamp of a table, which is stored as JSON,
// in Unix seconds; 0 if there is none.
func timestampIn(kind, value []byte) (seconds float64, err error) {
	if string(kind) != "json" {
		return 0, errValue
	}
	if seconds, ok := commonTimestamp(value); ok {
		return seconds, nil
	}
	var table struct {
		Timestamp float64 `json:"timestamp"`
	}
	if json.Unmarshal(value, &table) != nil {
		return 0, errValue
	}
	return max(0, table.Timestamp), nil
}

// commonTimestamp reads the tables that mod_lastlog2 writes, without what only
// other tables have: a timestamp of whole seconds, with or without the address
// (option lastlog_ip_address) before or behind it. encoding/json takes ten times
// as long, and is asked about whatever is not of that form.
func commonTimestamp(value []byte) (seconds float64, ok bool) {
	value, ok = bytes.CutPrefix(value, []byte(`{`))
	if rest, is := bytes.CutPrefix(value, []byte(`"ip":"`)); ok && is {
		if value, ok = afterAddress(rest); ok {
			value, ok = bytes.CutPrefix(value, []byte(`,`))
		}
	}
	value, is := bytes.CutPrefix(value, []byte(`"timestamp":`))
	digits := 0
	for digits < len(value) && value[digits] >= '0' && value[digits] <= '9' {
		seconds = 10*seconds + float64(value[digits]-'0')
		digits++
	}
	// Fifteen digits are exact; JSON has no numbers that begin with 0.
	if !ok || !is || digits == 0 || digits > 15 || value[0] == '0' {
		return 0, false
	}
	value = value[digits:]
	if rest, is := bytes.CutPrefix(value, []byte(`,"ip":"`)); is {
		if value, ok = afterAddress(rest); !ok {
			return 0, false
		}
	}
	return seconds, string(value) == "}"
}

// afterAddress returns what follows a text that is an IP address by its
// letters, and its closing quote.
func afterAddress(value []byte) ([]byte, bool) {
	rest := bytes.TrimLeftFunc(value, func(c rune) bool { return strings.ContainsRune("0123456789abcdefABCDEF.:%", c) })
	return bytes.CutPrefix(rest, []byte(`"`))
}

// timestamp returns a number, which is stored as text; 0 if it is not positive.
func timestamp(kind, value []byte) (seconds float64, err error) {
	seconds, err = strconv.ParseFloat(string(value), 64)
	if string(kind) != "number" || err != nil {
		return 0, errValue
	}
	if seconds > 0 { // false for NaN
		return seconds, nil
	}
	return 0, nil
}

package prosody

// TimestampIn is timestampIn, to be compared with encoding/json.
func TimestampIn(kind, value []byte) (float64, error) { return timestampIn(kind, value) }

// CommonTimestamp says whether a value is read without encoding/json.
func CommonTimestamp(value []byte) bool {
	_, ok := commonTimestamp(value)
	return ok
}

// A UserTable is a userTable, to be compared with a map.
type UserTable struct{ table userTable }

// AddLogin sets a user's login to the larger of what it is and seconds.
func (t *UserTable) AddLogin(name string, seconds float64) {
	u := t.table.of([]byte(name))
	u.setTime(recordLogin, max(u.time(recordLogin), seconds))
}

// Logins returns all users in the order in which they came, and their logins,
// and empties the table.
func (t *UserTable) Logins() (names []string, logins []float64) {
	for u := range t.table.drain {
		names = append(names, string(u.name()))
		logins = append(logins, u.latest())
	}
	return names, logins
}

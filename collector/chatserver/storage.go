package chatserver

import "slices"

// A Storage is where an XMPP server keeps one kind of record of a virtual host: last
// activity, accounts, sessions. What lies elsewhere is left over from an earlier
// configuration.
type Storage int

// The storages that make a difference here.
const (
	// Nowhere: no module keeps such records.
	Nowhere Storage = iota
	// InSQL: in the database.
	InSQL
	// InMnesia: in the server's own files or memory, which the running server tells.
	InMnesia
	// Unlisted: with somebody else, whom the server cannot ask for a list.
	Unlisted
)

// Together returns where the accounts of a host are that asks several providers of
// authentication, which add up. If one of them cannot list its accounts, nobody knows
// how many there are; if they are in several places, the running server does.
func Together(providers ...Storage) Storage {
	switch different := slices.Compact(slices.Sorted(slices.Values(providers))); {
	case len(different) == 0 || slices.Contains(different, Unlisted):
		return Unlisted
	case len(different) == 1:
		return different[0]
	}
	return InMnesia
}

package years_test

import "time"

// connect lets a user stay connected for some time. Meanwhile, the last-seen time is what
// it was before.
func (h *host) connect(d delayed, a account) {
	if a.connected.IsZero() {
		a.connected = d.at
		h.change(d.event.user, a)
		h.expect(delayed{at: d.at.Add(d.event.stays), event: event{kind: logOut, server: d.event.server, user: d.event.user}})
	}
}

// writeSession writes a row of the table sm, or deletes it.
func (s *ejabberdServer) writeSession(name string, since time.Time) {
	s.run(`DELETE FROM sm WHERE username = ?`, name)
	if !since.IsZero() {
		s.run(`INSERT INTO sm VALUES (?, ?, 'ejabberd@localhost', ?, ?, 'phone', '0', '')`, since.UnixMicro(), name, name, domain)
	}
}

// online are the users who are connected, if that is known: it is not if nobody is, or if
// the newest session is older than a day, as where a server was killed.
func (h *host) online(now time.Time) map[string]bool {
	online := make(map[string]bool)
	var newest time.Time
	for user, a := range h.world.accounts {
		if !a.connected.IsZero() {
			online[userName(user)] = true
			if a.connected.After(newest) {
				newest = a.connected
			}
		}
	}
	if now.Sub(newest) > day {
		return nil
	}
	return online
}

// connected are the figures about who is.
func (k known) connected(f figures) {
	if !k.asksOnline {
		return
	}
	f["is online known"] = min(1, k.online)
	if k.online > 0 {
		f["online"] = k.online
	}
}

package activity

import "time"

// RecordVisits takes each user's last-seen time as a visit on its day. It is for
// domains whose server keeps only one last-seen time for each user: what the server
// overwrites stays known here. A recorded visit stays, whatever the clock shows
// later. Times after the day of now are left out: a clock was wrong.
//
// What is recorded is complete from the first call on; one does not count if
// most users were last seen after it: the clock is behind, and the history would
// seem older than it is.
func (c *Calendar) RecordVisits(name string, now time.Time) {
	c.recent = recent{}
	d := c.domain([]byte(name))
	today := DayOf(now)
	if !d.recorded {
		if d.mostlyAfter(today) {
			return
		}
		d.recorded, d.since = true, today
	}
	came := make(map[Day][]moment) // newest times by day, and in the same order:
	users := make(map[Day][]uint32)
	record := func(n uint32, m moment) {
		if m <= onlyExists {
			return
		}
		if date := DayOf(time.UnixMilli(m.milli())); date <= today && date >= FirstDay(now, MaxWindow) {
			came[date], users[date] = append(came[date], m), append(users[date], n)
		}
	}
	for n, m := range d.newest {
		record(uint32(n), m)
	}
	for key, m := range d.others {
		record(uint32(key>>clientBits), m)
	}
	for date, moments := range came {
		known := d.days[date].byClient(c)
		for i, n := range users[date] {
			if client := moments[i].client(); !known[client].has(n) {
				v := c.writable(d, date)
				v.rows++
				v.sets[client].add(n)
			}
		}
	}
}

// mostlyAfter says whether more users were last seen after a day than before its
// end.
func (d *domain) mostlyAfter(date Day) bool {
	after, known := 0, 0
	for _, m := range d.newest {
		if m <= onlyExists {
			continue
		}
		known++
		if DayOf(time.UnixMilli(m.milli())) > date {
			after++
		}
	}
	return 2*after > known
}

// HistoryDays returns for how many UTC days, today included, visits are known
// completely: since the server itself began to keep them, or since they are
// recorded here, but MaxWindow at most. It is 0 without visits, or with visits in the
// future only.
func (c *Calendar) HistoryDays(domain string, now time.Time) int {
	d, ok := c.domains[domain]
	if !ok {
		return 0
	}
	today := DayOf(now)
	oldest := today + 1
	for date, v := range d.days {
		if v.rows > 0 && date >= oldestDay(today) {
			oldest = min(oldest, date)
		}
	}
	if d.recorded {
		oldest = max(oldest, d.begins(today))
	}
	return max(0, int(today-oldest+1))
}

// begins returns the day with which the recorded history begins. If that has not come
// today, the clock was ahead when it began, or is behind now: then it is the first day on
// which the records were read.
func (d *domain) begins(today Day) Day {
	if d.since > today && len(d.observed) > 0 {
		return d.observed[0]
	}
	return d.since
}

// RecordLogin takes a login that is known from elsewhere as a visit on its day,
// for domains whose visits are recorded here: what is recorded then begins with the
// first such day. ObserveDays says from when to when such logins are complete.
func (c *Calendar) RecordLogin(name string, user []byte, client Client, at time.Time) {
	d := c.domain([]byte(name))
	date := DayOf(at)
	if !d.recorded || date < d.since {
		d.recorded, d.since = true, date
	}
	d.observe(date, date)
	c.Visit([]byte(name), user, client, date)
}

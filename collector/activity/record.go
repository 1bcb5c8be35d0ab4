package activity

import (
	"slices"
	"time"
)

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
	for date, came := range d.notVisited(FirstDay(now, MaxWindow), today) {
		known := d.days[date].byClient(c)
		for _, u := range came {
			if !known[u.client].has(u.number) {
				v := c.writable(d, date)
				v.rows++
				v.sets[u.client].add(u.number)
			}
		}
	}
}

// visitedTimes are last-seen times that RecordVisits has taken as visits: all of some
// blocks from one moment on, up to another one.
type visitedTimes struct {
	blocks      []*seenBlock
	from, until moment
}

// A user who came on some day.
type visitingUser struct {
	number uint32
	client Client
}

// notVisited returns who was seen on the days from first to last and was not returned
// before.
func (d *domain) notVisited(first, last Day) map[Day][]visitingUser {
	all := make(map[Day][]visitingUser)
	record := func(n uint32, client Client, at moment) {
		if at <= onlyExists {
			return
		}
		if date := DayOf(time.UnixMilli(at.milli())); date >= first && date <= last {
			all[date] = append(all[date], visitingUser{n, client})
		}
	}
	known := d.visited
	for b, block := range d.blocks {
		users := block.outside(known.from, known.until)
		if before := at(known.blocks, b); before != block {
			users |= block.differing(before)
		}
		eachBit(users, func(i int) { record(uint32(b*blockUsers+i), block.clients[i], block.newest(i)) })
		for _, o := range block.others {
			if users>>o.user&1 == 1 {
				record(uint32(b*blockUsers)+uint32(o.user), o.client, o.at())
			}
		}
	}
	d.owned = nil // what is known of blocks does not change
	d.visited = visitedTimes{slices.Clone(d.blocks), momentOf(first.Start().UnixMilli()), momentOf((last + 1).Start().UnixMilli())}
	return all
}

// mostlyAfter says whether more users were last seen after a day than before its
// end.
func (d *domain) mostlyAfter(date Day) bool {
	after, known := 0, 0
	end := momentOf((date + 1).Start().UnixMilli())
	d.all(func(_ uint32, _ Client, at moment) {
		if at > onlyExists {
			known++
		}
		if at >= end {
			after++
		}
	})
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

// RecordedSince implements Recorder.
func (c *Calendar) RecordedSince(domain []byte, now time.Time) (first Day, recorded bool) {
	d, ok := c.domains[string(domain)]
	if !ok || !d.recorded {
		return 0, false
	}
	return d.begins(DayOf(now)), true
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

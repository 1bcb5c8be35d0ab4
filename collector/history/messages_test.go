package history_test

import (
	"fmt"
	"testing"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/history"
	"active_users_exporter/test/must"
)

// messagesOf are the figures that are counted from messages.
func messagesOf(cal *activity.Calendar) string {
	after := noon.AddDate(0, 0, -7)
	senders, known := cal.Senders("d", after)
	plain, _ := cal.ActiveRooms("d", after, false)
	encrypted, _ := cal.ActiveRooms("d", after, true)
	m := cal.Messages([]byte("d"))
	return fmt.Sprint(senders, known, plain, encrypted, m.After(1000, false), m.After(1000, true), m.MessageSpan)
}

// What is known of messages is stored. If any bit of it is damaged, nothing is known of
// messages any more, so that the reader reads them again; all else stays.
func TestMessagesAreStored(t *testing.T) {
	folder := t.TempDir()
	s := open(t, folder)
	cal := newCalendar(s)
	cal.Visit([]byte("d"), user(1), 1, today)
	m := cal.Messages([]byte("d"))
	m.MessageSpan = activity.MessageSpan{Last: 1060, Arrived: noon.UnixMilli(), Settled: 1050, First: 990, Oldest: -1, Since: activity.AlwaysKnown}
	for n := range 60 {
		message := activity.Message{Position: int64(1000 + n), Arrived: noon.AddDate(0, 0, -n%9).UnixMilli(), Room: fmt.Appendf(nil, "!%d", n%4), Encrypted: n%3 == 0}
		if n%2 == 0 {
			message.Sender = user(n % 5)
		}
		m.Add(message)
	}
	save(t, s, cal, "d")
	must.Succeed(t, s.Close())
	got, loaded := load(t, open(t, folder))
	if messagesOf(got) != messagesOf(cal) || loaded.Damage != nil {
		t.Fatalf("%s, want %s; damage %q", messagesOf(got), messagesOf(cal), loaded.Damage)
	}

	flips := flipBits(t, folder, 37, map[string]string{"history_messages": "positions", "history_rooms": "moments", "history_senders": "moments"},
		func(table string, bit int, got *activity.Calendar, loaded history.Loaded) {
			_, known := got.Senders("d", noon)
			if rows, _ := got.Rows([]byte("d"), today); len(loaded.Damage) != 1 || known || rows != 1 {
				t.Fatalf("bit %d of %s: damage %q, messages known %t, %d visits", bit, table, loaded.Damage, known, rows)
			}
		})
	if flips < 50 {
		t.Errorf("only %d flips", flips)
	}
}

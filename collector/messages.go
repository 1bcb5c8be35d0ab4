package collector

import (
	"strconv"
	"time"

	"active_users_exporter/collector/activity"
	"active_users_exporter/collector/metric"
)

// Messages say what is done in a domain within a window: how many of its own users sent a
// message, and how many rooms have a plain or an encrypted one, whoever sent it.
type Messages struct {
	Window                         activity.Window
	Senders, Rooms, EncryptedRooms int
}

// addMessages adds the windows whose messages are all known.
func (d *Domain) addMessages(now time.Time, cal *activity.Calendar, windows []activity.Window) {
	for _, w := range windows {
		after := w.Since(now)
		senders, known := cal.Senders(d.Name, after)
		if !known {
			continue
		}
		plain, _ := cal.ActiveRooms(d.Name, after, false)
		encrypted, _ := cal.ActiveRooms(d.Name, after, true)
		d.Messages = append(d.Messages, Messages{w, senders, plain, encrypted})
	}
}

// messages are the families about what is done.
func messages() []metric.Family[Status] {
	return []metric.Family[Status]{
		{
			Name: "chat_senders_users", Kind: metric.Gauge, Labels: []string{"domain", "window"},
			Help: "Distinct users of the server's own who sent a message that arrived within the window; absent while not all messages of the window are known.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, m := range d.Messages {
					emit(float64(m.Senders), d.Name, m.Window.String())
				}
			}),
		},
		{
			Name: "chat_active_rooms", Kind: metric.Gauge, Labels: []string{"domain", "window", "encrypted"},
			Help: "Rooms with a message that arrived within the window, whoever sent it: encrypted ones (true) or plain ones (false). A room may have both.",
			Read: forDomains(func(d Domain, emit metric.Emit) {
				for _, m := range d.Messages {
					emit(float64(m.Rooms), d.Name, m.Window.String(), strconv.FormatBool(false))
					emit(float64(m.EncryptedRooms), d.Name, m.Window.String(), strconv.FormatBool(true))
				}
			}),
		},
	}
}

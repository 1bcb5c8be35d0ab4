// Package servers is the list of the chat servers that can be read.
package servers

import (
	"active_users_exporter/collector/chatserver"
	"active_users_exporter/collector/dendrite"
	"active_users_exporter/collector/ejabberd"
	"active_users_exporter/collector/mongooseim"
	"active_users_exporter/collector/prosody"
	"active_users_exporter/collector/synapse"
)

// Kinds returns the kinds of chat servers that can be read, in the order in which
// messages name them. It is the only place that knows all of them.
func Kinds() []chatserver.Kind {
	return []chatserver.Kind{
		synapse.Kind(),
		dendrite.Kind(),
		prosody.Kind(),
		ejabberd.Kind(),
		mongooseim.Kind(),
	}
}

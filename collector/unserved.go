package collector

import "fmt"

// Unserved returns one sentence about domains with records that the chat server does
// not serve, none if there are no such domains. They are left over, as from a virtual
// host that was taken out of the configuration, and are not shown.
func Unserved(domains map[string]bool) []string {
	switch len(domains) {
	case 0:
		return nil
	case 1:
		for name := range domains {
			return []string{fmt.Sprintf("records of %q are left out: the server does not serve this domain", name)}
		}
	}
	return []string{fmt.Sprintf("records of %d domains are left out: the server does not serve them", len(domains))}
}

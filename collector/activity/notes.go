package activity

// Notes implements Recorder.
func (c *Calendar) Notes(domain []byte) []byte {
	if d, ok := c.domains[string(domain)]; ok {
		return d.notes
	}
	return nil
}

// SetNotes implements Recorder.
func (c *Calendar) SetNotes(domain, notes []byte) { c.domain(domain).notes = notes }

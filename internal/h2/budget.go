package h2

// window10 is how long the budgets are for, in nanoseconds.
const window10 = 10e9

// budget counts what may be an attack.
type budget struct {
	start       int64
	nonProgress int
	resets      int
	ownResets   int
	updates     int // WINDOW_UPDATE and PRIORITY that what was sent and received accounts for
}

// mostUpdates bounds budget.updates.
const mostUpdates = 1000

// updateSize is by how little a peer may open its windows all the time.
const updateSize = 512

// spend adds one to a counter, and fails the connection when that is limit.
func (c *Conn) spend(counter *int, limit int, what string) error {
	if c.now-c.budget.start >= window10 {
		b := &c.budget
		b.start, b.nonProgress, b.resets, b.ownResets = c.now, 0, 0, 0
	}
	if *counter++; limit >= 0 && *counter >= limit {
		return c.fail(ErrCodeEnhanceYourCalm, "too many "+what)
	}
	return nil
}

// nonProgress counts a frame that carries nothing.
func (c *Conn) nonProgress(what string) error {
	return c.spend(&c.budget.nonProgress, c.cfg.NonProgress, what)
}

// progress allows for the WINDOW_UPDATE and PRIORITY frames that come with a
// stream, or follow n bytes of DATA.
func (c *Conn) progress(n int) {
	if c.budget.updates < mostUpdates {
		c.budget.updates += 2 + n/updateSize
	}
}

// update counts a WINDOW_UPDATE or a PRIORITY: as carrying nothing if there are
// more of them than there is reason for.
func (c *Conn) update(what string) error {
	if c.budget.updates > 0 {
		c.budget.updates--
		return nil
	}
	return c.nonProgress(what)
}

// reply counts a frame that answers one of the peer's, and fails the
// connection when too many wait: the peer makes us work and does not read.
func (c *Conn) reply() error {
	if c.replies++; c.crowded() {
		return c.fail(ErrCodeEnhanceYourCalm, "too many frames to be answered, and the answers are not read")
	}
	return nil
}

// crowded reports whether too many frames wait that answer the peer's.
func (c *Conn) crowded() bool { return c.cfg.MaxControls >= 0 && c.replies > c.cfg.MaxControls }

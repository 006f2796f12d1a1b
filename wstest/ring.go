package wstest

// ring is a queue of at most max bytes that grows as it is filled.
type ring struct {
	buf  []byte
	head int // of the oldest byte
	n    int // bytes held
	max  int
}

// put appends as much of p as there is room for.
func (r *ring) put(p []byte) int {
	p = p[:min(len(p), r.max-r.n)]
	if r.n+len(p) > len(r.buf) {
		r.grow(r.n + len(p))
	}
	for rest := p; len(rest) > 0; {
		tail := (r.head + r.n) % len(r.buf)
		c := copy(r.buf[tail:min(len(r.buf), tail+len(r.buf)-r.n)], rest)
		r.n += c
		rest = rest[c:]
	}
	return len(p)
}

// get takes the oldest bytes into p.
func (r *ring) get(p []byte) (n int) {
	for n < len(p) && r.n > 0 {
		c := copy(p[n:], r.buf[r.head:min(len(r.buf), r.head+r.n)])
		n += c
		r.n -= c
		r.head = (r.head + c) % len(r.buf)
	}
	return n
}

func (r *ring) grow(need int) {
	buf := make([]byte, min(max(need, 2*len(r.buf), 512), r.max))
	n := r.get(buf)
	r.buf, r.head, r.n = buf, 0, n
}

// drop forgets everything held.
func (r *ring) drop() { r.buf, r.head, r.n = nil, 0, 0 }

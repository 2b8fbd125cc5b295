/* A guest that writes pages as it is told, in 32 bits and without a library.
 *
 * Its words come on the multiboot command line (see migkit/lab/guest_words.py):
 *   fill=FIRST,PAGES        pages that hold data before the work begins
 *   content=SEED,RUN        how far neighbours are alike
 *   class=BYTES,THRESHOLD   data bytes of a page; drawn numbers up to THRESHOLD
 *   phase=KIND,BASE,PAGES,WHOLE,NUMERATOR,DENOMINATOR,BATCH,SEED,HOT,PERCENT,DURATION,FIRST,ROWS
 *   write=KIND,A,B,THRESHOLD   what a write of the last phase leaves in its page
 *   beat=MILLISECONDS       between two heartbeats
 * Rows of a table of page numbers come as a multiboot module.
 *
 * It works in milliseconds of guest time, which stands still while the machine is stopped, and
 * catches up those that it missed. All that it writes of its own lies in one page, its stack.
 */

typedef unsigned char u8;
typedef unsigned short u16;
typedef unsigned int u32;

#define PAGE 4096u
#define WORDS (PAGE / 4)
#define STACK_TOP 0x200000u
#define FIRST_SEED 2463534242u
#define SEED_FACTOR 2654435761u
#define HPET 0xfed00000u
#define COM1 0x3f8
#define TIMER_VECTOR 0x20

enum { MOST_PHASES = 8, MOST_WRITES = 8, MOST_CLASSES = 9 };
enum { SEQUENTIAL, UNIFORM, HOTCOLD, TABLE, IDLE };
enum { FILL, DELTA, COUNT };

__asm__(
    ".section .multiboot, \"a\"\n"
    ".align 4\n"
    ".long 0x1badb002, 3, -(0x1badb002 + 3)\n"
    ".text\n"
    ".globl entry\n"
    "entry:\n"
    "  cli\n"
    "  movl $0x200000, %esp\n"
    "  pushl %ebx\n"
    "  pushl %eax\n"
    "  call work\n"
    ".globl timer_tick\n"
    "timer_tick:\n"
    "  pushl %eax\n"
    "  movb $0x20, %al\n"
    "  outb %al, $0x20\n"
    "  popl %eax\n"
    "  iret\n");

void timer_tick(void);
void work(u32 magic, const u32 *info);

struct row { u32 first, pages, threshold; };
struct outcome { u32 kind, a, b, threshold; };
struct phase {
  u32 kind, base, pages, whole, numerator, denominator, batch, seed, hot, percent, duration;
  u32 first_row, rows;
  u32 random, position, carry, outcomes;
  struct outcome outcome[MOST_WRITES];
};
struct class { u32 bytes, threshold; };

struct program {
  u32 phases, classes, run, content_random, beat_ms, count;
  const struct row *table;
  struct class class[MOST_CLASSES];
  struct phase phase[MOST_PHASES];
};

static inline void out(u16 port, u8 value) {
  __asm__ volatile("outb %0, %1" : : "a"(value), "Nd"(port));
}

static inline u8 in(u16 port) {
  u8 value;
  __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
  return value;
}

void *memset(void *at, int value, u32 bytes) {
  void *start = at;
  __asm__ volatile("rep stosb" : "+D"(at), "+c"(bytes) : "a"(value) : "memory");
  return start;
}

static void put(char c) {
  for (u32 tries = 0; tries < 100000 && !(in(COM1 + 5) & 0x20); tries++) {}
  out(COM1, (u8)c);
}

static void say(const char *text) {
  while (*text) put(*text++);
}

static void say_number(u32 value) {
  char digits[11];
  u32 used = 10;
  digits[10] = 0;
  do digits[--used] = (char)('0' + value % 10);
  while (value /= 10);
  say(digits + used);
}

static void stop(const char *why) {
  say("error ");
  say(why);
  say("\n");
  for (;;) __asm__ volatile("cli; hlt");
}

static u32 draw(u32 *state) {
  u32 x = *state;
  x ^= x << 13;
  x ^= x >> 17;
  x ^= x << 5;
  return *state = x;
}

static u32 seeded(u32 seed) {
  u32 state = FIRST_SEED ^ (seed * SEED_FACTOR);
  return state ? state : 1;
}

static u32 *page_at(u32 number) { return (u32 *)(number * PAGE); }

/* The words of the command line. */

static const char *number(const char *at, u32 *value) {
  *value = 0;
  while (*at >= '0' && *at <= '9') *value = *value * 10 + (u32)(*at++ - '0');
  return *at == ',' ? at + 1 : at;
}

static const char *numbers(const char *at, u32 *values, u32 many) {
  for (u32 i = 0; i < many; i++) at = number(at, &values[i]);
  return at;
}

static int starts(const char *at, const char *word) {
  while (*word) if (*at++ != *word++) return 0;
  return 1;
}

static void read_word(struct program *p, const char *at) {
  struct phase *last = &p->phase[p->phases - (p->phases > 0)];
  if (starts(at, "phase=") && p->phases < MOST_PHASES) {
    struct phase *next = &p->phase[p->phases++];
    memset(next, 0, sizeof *next);
    numbers(at + 6, &next->kind, 13);
    next->random = seeded(next->seed);
  } else if (starts(at, "write=") && last->outcomes < MOST_WRITES) {
    numbers(at + 6, &last->outcome[last->outcomes++].kind, 4);
  } else if (starts(at, "class=") && p->classes < MOST_CLASSES) {
    numbers(at + 6, &p->class[p->classes++].bytes, 2);
  } else if (starts(at, "content=")) {
    u32 values[2];
    numbers(at + 8, values, 2);
    p->content_random = seeded(values[0]);
    p->run = values[1];
  } else if (starts(at, "beat=")) {
    number(at + 5, &p->beat_ms);
  }
}

static const char *next_word(const char *at) {
  while (*at && *at != ' ') at++;
  while (*at == ' ') at++;
  return at;
}

/* Pages. */

static void fill_page(u32 *words, u32 bytes, u32 *random) {
  u32 whole = bytes / 4, rest = bytes % 4;
  for (u32 i = 0; i < whole; i++) words[i] = draw(random);
  if (whole == WORDS) return;
  words[whole] = rest ? (draw(random) | 1) & (0xffffffffu >> (32 - 8 * rest)) : 0;
  for (u32 i = whole + 1; i < WORDS; i++) words[i] = 0;
}

static void fill_extent(struct program *p, u32 first, u32 pages) {
  u32 bytes = PAGE;
  for (u32 i = 0; i < pages; i++) {
    if (p->classes && i % p->run == 0) {
      u32 drawn = draw(&p->content_random), which = 0;
      while (which + 1 < p->classes && drawn > p->class[which].threshold) which++;
      bytes = p->class[which].bytes;
    }
    fill_page(page_at(first + i), bytes, &p->phase[0].random);
  }
}

static void fill(struct program *p, const char *words) {
  for (const char *at = words; *at; at = next_word(at)) {
    u32 extent[2];
    if (!starts(at, "fill=")) continue;
    numbers(at + 5, extent, 2);
    fill_extent(p, extent[0], extent[1]);
  }
}

static u32 from_table(const struct phase *now, const struct row *table, u32 *random) {
  u32 drawn = draw(random), low = now->first_row, high = now->first_row + now->rows - 1;
  while (low < high) {
    u32 middle = (low + high) / 2;
    if (drawn <= table[middle].threshold) high = middle;
    else low = middle + 1;
  }
  if (table[low].pages == 1) return table[low].first;
  return table[low].first + draw(random) % table[low].pages;
}

static u32 choose(struct program *p, struct phase *now) {
  if (now->kind == SEQUENTIAL) {
    u32 page = now->position;
    now->position = page + 1 == now->pages ? 0 : page + 1;
    return page;
  }
  if (now->kind == UNIFORM) return draw(&now->random) % now->pages;
  if (now->kind == TABLE) return from_table(now, p->table, &now->random);
  if (draw(&now->random) % 100 < now->percent) return draw(&now->random) % now->hot;
  return now->hot + draw(&now->random) % (now->pages - now->hot);
}

static void change(u32 *words, const struct outcome *how, u32 *random) {
  for (u32 place = 0; place < how->a; place++) {
    u32 drawn = draw(random);
    u8 *at = (u8 *)words + drawn % (PAGE - how->b + 1);
    for (u32 i = 0; i < how->b; i++) at[i] ^= (u8)(1 + (drawn >> 12) % 255);
  }
}

static void write(struct program *p, struct phase *now) {
  u32 *words = page_at(now->base + choose(p, now)), which = 0;
  const struct outcome *how = now->outcome;
  p->count++;
  if (now->outcomes > 1) {
    u32 drawn = draw(&now->random);
    while (which + 1 < now->outcomes && drawn > how[which].threshold) which++;
    how += which;
  }
  if (how->kind == COUNT) words[(p->count & 511) * 2] = p->count;
  else if (how->kind == DELTA) change(words, how, &now->random);
  else fill_page(words, how->a, &now->random);
}

static void batch(struct program *p, struct phase *now) {
  u32 many = now->whole;
  now->carry += now->numerator;
  if (now->carry >= now->denominator) {
    now->carry -= now->denominator;
    many++;
  }
  while (many--) write(p, now);
}

/* The machine: a clock, a tick that wakes, a serial line. */

static void load_tables(u32 *idt) {
  static const u32 gdt[6] = {0, 0, 0x0000ffff, 0x00cf9a00, 0x0000ffff, 0x00cf9200};
  struct { u16 limit; u32 base; } __attribute__((packed)) table;
  u32 handler = (u32)timer_tick;
  idt[2 * TIMER_VECTOR] = 0x00080000 | (handler & 0xffff);
  idt[2 * TIMER_VECTOR + 1] = (handler & 0xffff0000) | 0x8e00;
  table.limit = sizeof gdt - 1;
  table.base = (u32)gdt;
  __asm__ volatile("lgdt %0; ljmp $8, $1f; 1: movl $16, %%eax; movl %%eax, %%ds;"
                   "movl %%eax, %%es; movl %%eax, %%ss" : : "m"(table) : "eax", "memory");
  table.limit = 8 * (TIMER_VECTOR + 1) - 1;
  table.base = (u32)idt;
  __asm__ volatile("lidt %0" : : "m"(table) : "memory");
}

static void start_tick(void) {
  static const u8 master[] = {0x11, TIMER_VECTOR, 4, 1};
  out(0x20, master[0]);
  for (u32 i = 1; i < 4; i++) out(0x21, master[i]);
  out(0xa1, 0xff);
  out(0x21, 0xfe);
  out(0x43, 0x34); /* counter 0, again and again, about 1000 times a second */
  out(0x40, 1193 & 0xff);
  out(0x40, 1193 >> 8);
}

static u32 clock_per_ms(void) {
  volatile u32 *hpet = (u32 *)HPET;
  u32 picoseconds = hpet[1] / 1000;
  if (picoseconds == 0 || picoseconds > 100000) stop("no HPET");
  hpet[4] |= 1;
  return 1000000000u / picoseconds;
}

static u32 clock_now(void) { return *(volatile u32 *)(HPET + 0xf0); }

static void run(struct program *p) {
  u32 per_ms = clock_per_ms(), since = clock_now(), done = 0, in_phase = 0, which = 0;
  for (;;) {
    __asm__ volatile("sti; hlt; cli" : : : "memory");
    while (clock_now() - since >= per_ms) {
      struct phase *now = &p->phase[which];
      since += per_ms;
      done++;
      in_phase++;
      if (now->kind != IDLE && in_phase % now->batch == 0) batch(p, now);
      if (now->duration && in_phase == now->duration) {
        in_phase = 0;
        which = which + 1 == p->phases ? 0 : which + 1;
      }
      if (p->beat_ms && done % p->beat_ms == 0) {
        say("beat ");
        say_number(done);
        say(" ");
        say_number(p->count);
        say("\n");
      }
    }
  }
}

void work(u32 magic, const u32 *info) {
  struct program program;
  u32 idt[2 * (TIMER_VECTOR + 1)];
  const char *words = (const char *)info[4];
  out(COM1 + 3, 3);
  out(COM1 + 1, 0);
  if (magic != 0x2badb002 || !(info[0] & 4)) stop("not started by a multiboot loader");
  memset(&program, 0, sizeof program);
  if ((info[0] & 8) && info[5]) program.table = *(const struct row **)info[6];
  for (const char *at = words; *at; at = next_word(at)) read_word(&program, at);
  if (!program.phases) stop("no phase among its words");
  load_tables(idt);
  start_tick();
  fill(&program, words);
  say("ready\n");
  run(&program);
}

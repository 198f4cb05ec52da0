/*
 * Expands a zoned rule with libical from `from` on (Unix seconds, inclusive) to `to` (exclusive) and prints the seconds of
 * one expansion: the fastest of many rounds. With SEEK=1 the iterator is first moved near the window.
 *
 * recur RULE DTSTART ZONE FROM TO SEEK
 */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static volatile time_t sink;

static int expand(struct icalrecurrencetype rule, struct icaltimetype start, icaltimezone *zone, time_t from,
                  time_t to, int seek)
{
    int count = 0;
    icalrecur_iterator *it = icalrecur_iterator_new(rule, start);
    if (seek)
        icalrecur_iterator_set_start(it, icaltime_from_timet_with_zone(from, 0, zone));
    for (;;) {
        struct icaltimetype next = icalrecur_iterator_next(it);
        if (icaltime_is_null_time(next))
            break;
        time_t instant = icaltime_as_timet_with_zone(next, zone);
        if (instant >= to)
            break;
        if (instant >= from) {
            sink = instant;
            count++;
        }
    }
    icalrecur_iterator_free(it);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 7)
        return 2;
    icaltimezone *zone = icaltimezone_get_builtin_timezone(argv[3]);
    if (!zone)
        return 1;
    struct icalrecurrencetype rule = icalrecurrencetype_from_string(argv[1]);
    struct icaltimetype start = icaltime_from_string(argv[2]);
    icaltime_set_timezone(&start, zone);
    time_t from = atoll(argv[4]), to = atoll(argv[5]);
    int seek = atoi(argv[6]), count = 0;
    double least = 1e9;
    for (int round = 0; round < 25; round++) {
        const int calls = 50;
        double begin = now();
        for (int call = 0; call < calls; call++)
            count = expand(rule, start, zone, from, to, seek);
        double taken = (now() - begin) / calls;
        if (taken < least)
            least = taken;
    }
    printf("seconds=%.9f instances=%d\n", least, count);
    return 0;
}

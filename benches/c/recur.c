/*
 * Expands a zoned rule with libical from `from` on (Unix seconds, inclusive) to `to` (exclusive) and prints the seconds of
 * one expansion: the fastest of many rounds. With FORM=local the instances stay local times, with FORM=instant each is
 * turned into its instant. With SEEK=1 the iterator is first moved to the window.
 *
 * recur RULE DTSTART ZONE FROM TO FORM SEEK
 */
#include <libical/ical.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

static double now(void)
{
    struct timespec t;
    clock_gettime(CLOCK_MONOTONIC, &t);
    return t.tv_sec + t.tv_nsec / 1e9;
}

static volatile time_t sink;

struct window {
    icaltimezone *zone;
    time_t from, to;
    struct icaltimetype local_from, local_to;
    int instants, seek;
};

static int expand(struct icalrecurrencetype rule, struct icaltimetype start, const struct window *window)
{
    int count = 0;
    icalrecur_iterator *it = icalrecur_iterator_new(rule, start);
    if (window->seek)
        icalrecur_iterator_set_start(it, window->local_from);
    for (;;) {
        struct icaltimetype next = icalrecur_iterator_next(it);
        if (icaltime_is_null_time(next))
            break;
        if (window->instants) {
            time_t instant = icaltime_as_timet_with_zone(next, window->zone);
            if (instant >= window->to)
                break;
            if (instant < window->from)
                continue;
            sink = instant;
        } else {
            /* Compared without the zone, which would turn both into UTC first. */
            next.zone = NULL;
            if (icaltime_compare(next, window->local_to) >= 0)
                break;
            if (icaltime_compare(next, window->local_from) < 0)
                continue;
            sink = next.day;
        }
        count++;
    }
    icalrecur_iterator_free(it);
    return count;
}

int main(int argc, char **argv)
{
    if (argc != 8)
        return 2;
    struct window window = {.zone = icaltimezone_get_builtin_timezone(argv[3])};
    if (!window.zone)
        return 1;
    struct icalrecurrencetype rule = icalrecurrencetype_from_string(argv[1]);
    struct icaltimetype start = icaltime_from_string(argv[2]);
    icaltime_set_timezone(&start, window.zone);
    window.from = atoll(argv[4]);
    window.to = atoll(argv[5]);
    window.local_from = icaltime_from_timet_with_zone(window.from, 0, window.zone);
    window.local_to = icaltime_from_timet_with_zone(window.to, 0, window.zone);
    window.local_from.zone = window.local_to.zone = NULL;
    window.instants = !strcmp(argv[6], "instant");
    window.seek = atoi(argv[7]);
    int count = 0;
    double least = 1e9;
    for (int round = 0; round < 25; round++) {
        const int calls = 50;
        double begin = now();
        for (int call = 0; call < calls; call++)
            count = expand(rule, start, &window);
        double taken = (now() - begin) / calls;
        if (taken < least)
            least = taken;
    }
    printf("seconds=%.9f instances=%d\n", least, count);
    return 0;
}

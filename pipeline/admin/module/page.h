/*
 * The dashboard: one page that reads /status every two seconds. It loads nothing from anywhere else.
 */
#ifndef PIPE_ADMIN_PAGE_H
#define PIPE_ADMIN_PAGE_H

extern const char dashboard_page[];

#endif
